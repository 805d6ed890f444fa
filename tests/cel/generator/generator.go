package main

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
)

// How often a hole is filled with something of another type, in percent.
const wrongType = 2

type local struct{ name, kind string }

// A generator writes random expressions; the same seed gives the same ones.
type generator struct {
	random *rand.Rand
	kinds  []string
	bound  map[string]bool // variables that the expression uses
	locals []local
}

func newGenerator(seed uint64) *generator {
	g := &generator{random: rand.New(rand.NewPCG(seed, 1))}
	for kind := range templates {
		g.kinds = append(g.kinds, kind)
	}
	sort.Strings(g.kinds)
	return g
}

func (g *generator) pick(from []string) string { return from[g.random.IntN(len(from))] }

// expression writes one, and says which variables it wants bound.
func (g *generator) expression() (source string, bound []string) {
	g.bound = map[string]bool{}
	g.locals = nil
	source = g.value(g.pick(results), 1+g.random.IntN(5))
	for name := range g.bound {
		bound = append(bound, name)
	}
	sort.Strings(bound)
	return source, bound
}

// value writes an expression of a type, at most depth templates within one another.
func (g *generator) value(kind string, depth int) string {
	if _, known := templates[kind]; known && g.random.IntN(100) < wrongType {
		kind = g.pick(g.kinds)
	}
	if name := g.variable(kind); name != "" {
		return name
	}
	if depth == 0 || len(templates[kind]) == 0 {
		return g.pick(atoms[kind])
	}
	return g.fill(g.pick(templates[kind]), depth-1)
}

// variable is a name for a value of the type, or "" where there is none or a literal is wanted instead.
func (g *generator) variable(kind string) string {
	var names []string
	for _, it := range g.locals {
		if it.kind == kind {
			names = append(names, it.name)
		}
	}
	if len(names) > 0 && g.random.IntN(2) == 0 {
		return g.pick(names)
	}
	if g.random.IntN(8) != 0 {
		return ""
	}
	names = nil
	for name, its := range variables {
		if its == kind {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	sort.Strings(names)
	name := g.pick(names)
	g.bound[name] = true
	return name
}

// fill replaces a template's holes. A brace that is not before one of the known types is CEL's own.
func (g *generator) fill(template string, depth int) string {
	outside := len(g.locals)
	var out strings.Builder
	for template != "" {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			break
		}
		out.WriteString(template[:open])
		template = template[open:]
		end := strings.IndexByte(template, '}')
		hole := template[1:end]
		name, kind, declares := strings.Cut(hole, ":")
		switch {
		case declares && !strings.HasPrefix(kind, " "):
			// The same few names everywhere, so that they hide one another.
			name = fmt.Sprintf("%s%d", name, g.random.IntN(3))
			g.locals = append(g.locals, local{name, kind})
			out.WriteString(name)
			template = template[end+1:]
		case len(atoms[hole]) > 0:
			operand := g.value(hole, depth)
			// Without parentheses now and then: what binds more tightly is for both to say.
			if g.random.IntN(8) != 0 && strings.ContainsAny(operand, " -?:") && !strings.HasPrefix(operand, "'") {
				operand = "(" + operand + ")"
			}
			out.WriteString(operand)
			template = template[end+1:]
		case declares && (name == "x" || name == "y"): // {y: …}, a map whose key is the variable
			key := g.locals[len(g.locals)-1].name
			out.WriteString("{" + key)
			template = template[1+len(name):]
		default:
			out.WriteByte('{')
			template = template[1:]
		}
	}
	out.WriteString(template)
	g.locals = g.locals[:outside]
	return out.String()
}
