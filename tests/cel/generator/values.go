package main

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// typedValue writes a value as core/expr/cases.h wants it. False for what no case can hold.
func typedValue(value ref.Val) (any, bool) {
	one := func(kind string, content any) (any, bool) { return map[string]any{kind: content}, true }
	switch v := value.(type) {
	case types.Null:
		return one("null", nil)
	case types.Bool:
		return one("bool", bool(v))
	case types.Int:
		return one("int", strconv.FormatInt(int64(v), 10))
	case types.Uint:
		return one("uint", strconv.FormatUint(uint64(v), 10))
	case types.Double:
		return one("double", doubleText(float64(v)))
	case types.String:
		return one("string", string(v))
	case types.Bytes:
		return one("bytes", base64.StdEncoding.EncodeToString(v))
	case types.Timestamp:
		return one("timestamp", v.UTC().Format(time.RFC3339Nano))
	case types.Duration:
		return one("duration", v.Duration.String())
	case *types.Type:
		return one("type", v.TypeName())
	case traits.Mapper:
		return typedMap(v)
	case traits.Lister:
		return typedList(v)
	}
	return nil, false
}

func doubleText(value float64) string {
	switch {
	case math.IsNaN(value):
		return "NaN"
	case math.IsInf(value, 1):
		return "Infinity"
	case math.IsInf(value, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

func typedList(list traits.Lister) (any, bool) {
	items := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, ok := typedValue(it.Next())
		if !ok {
			return nil, false
		}
		items = append(items, item)
	}
	return map[string]any{"list": items}, true
}

func typedMap(mapping traits.Mapper) (any, bool) {
	pairs := []any{}
	for it := mapping.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		typedKey, ok := typedValue(key)
		if !ok {
			return nil, false
		}
		value, ok := typedValue(mapping.Get(key))
		if !ok {
			return nil, false
		}
		pairs = append(pairs, []any{typedKey, value})
	}
	return map[string]any{"map": pairs}, true
}
