// Writes random CEL expressions and what cel-go makes of them, as a file of cases for `levada eval --cases`.
//
//	cel-cases --seed 7 --count 10000 > cases.json
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

type testCase struct {
	Name     string         `json:"name"`
	Expr     string         `json:"expr"`
	Bindings map[string]any `json:"bindings,omitempty"`
	Value    any            `json:"value,omitempty"`
	Error    bool           `json:"error,omitempty"`
	Message  string         `json:"message,omitempty"` // of cel-go, for people
}

func newEnv() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.OptionalTypes(), cel.EnableIdentifierEscapeSyntax(), ext.Strings(), ext.Math(), ext.Encoders(), ext.Lists(), ext.Sets(),
		ext.Regex(), ext.TwoVarComprehensions(), ext.Bindings(), ext.Network(),
	}
	for name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	return cel.NewEnv(options...)
}

// evaluate gives the value of an expression, or the error that stands in its place. As Levada's strict mode, without a
// check of types beforehand.
func evaluate(env *cel.Env, source string, bindings map[string]any) (value ref.Val, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			value, err = nil, fmt.Errorf("panic: %v", fault)
		}
	}()
	ast, issues := env.Parse(source)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := env.Program(ast)
	if err != nil {
		return nil, err
	}
	value, _, err = program.Eval(bindings)
	return value, err
}

func run(seed uint64, count int) error {
	env, err := newEnv()
	if err != nil {
		return err
	}
	g := newGenerator(seed)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprint(out, "[")
	for i, written := 0, 0; i < count; i++ {
		source, names := g.expression()
		bindings := map[string]any{}
		test := testCase{Name: fmt.Sprintf("%d/%d", seed, i), Expr: source}
		for _, name := range names {
			value, err := evaluate(env, g.pick(atoms[variables[name]]), nil)
			for err != nil { // some atoms are there to be refused
				value, err = evaluate(env, g.pick(atoms[variables[name]]), nil)
			}
			typed, ok := typedValue(value)
			if !ok {
				return fmt.Errorf("no way to write %v", value)
			}
			bindings[name] = value
			if test.Bindings == nil {
				test.Bindings = map[string]any{}
			}
			test.Bindings[name] = typed
		}
		value, err := evaluate(env, source, bindings)
		if err == nil && types.IsError(value) {
			err = value.(*types.Err)
		}
		if err != nil && strings.Contains(err.Error(), "internal error") {
			continue // a fault of cel-go's is no answer
		}
		if err != nil {
			test.Error, test.Message = true, err.Error()
		} else if typed, ok := typedValue(value); ok {
			test.Value = typed
		} else {
			continue // an optional or an address: a case cannot hold it
		}
		text, err := json.Marshal(test)
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		if written++; written > 1 {
			fmt.Fprint(out, ",")
		}
		fmt.Fprintf(out, "\n%s", text)
	}
	fmt.Fprint(out, "\n]\n")
	return nil
}

func main() {
	seed := flag.Uint64("seed", 1, "which expressions")
	count := flag.Int("count", 1000, "how many")
	flag.Parse()
	if err := run(*seed, *count); err != nil {
		fmt.Fprintln(os.Stderr, "cel-cases:", err)
		os.Exit(1)
	}
}
