package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/rpc/wire"
)

// TestNoCodeByNumber: no comparison or case in this package contains an error code as a number, except 0. Package wire has the
// table of them. A number may be hidden in a constant.
func TestNoCodeByNumber(t *testing.T) {
	t.Parallel()
	if found := codesIn(t, "codes.go", `package p
		const exists = 13
		func f(code int, reply struct{ Error *int }, resp struct{ StatusCode int }) bool {
			switch code {
			case 0, 7:
			}
			const local = 8
			switch {
			case code == 4, code > local:
			}
			return code != exists || *reply.Error == 101 || 503 == errorCode || code == 0 || resp.StatusCode == 200 || n == 4
		}`); len(found) != 6 {
		t.Error("this test does not see what it looks for:", found)
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			for _, at := range codesIn(t, file, nil) {
				t.Error(at)
			}
		}
	}
}

// codesIn returns the places of a file in which an error code is a number.
func codesIn(t *testing.T, file string, text any) (found []string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	isNumber := func(e ast.Expr) bool {
		lit, ok := e.(*ast.BasicLit)
		return ok && lit.Kind == token.INT && lit.Value != "0"
	}
	constants := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.CONST {
			for _, spec := range decl.Specs {
				for i, v := range spec.(*ast.ValueSpec).Values {
					constants[spec.(*ast.ValueSpec).Names[i].Name] = isNumber(v)
				}
			}
		}
		return true
	})
	number := func(e ast.Expr) bool {
		id, ok := e.(*ast.Ident)
		return isNumber(e) || ok && constants[id.Name]
	}
	code := func(e ast.Expr) bool {
		if star, ok := e.(*ast.StarExpr); ok {
			e = star.X
		}
		switch e := e.(type) {
		case *ast.Ident:
			return e.Name == "code" || strings.HasSuffix(e.Name, "Code")
		case *ast.SelectorExpr:
			return e.Sel.Name == "Error" || e.Sel.Name == "code" || e.Sel.Name == "Code"
		}
		return false
	}
	add := func(e ast.Expr) {
		found = append(found, fmt.Sprintf("%s: a code is named by its number", set.Position(e.Pos())))
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if code(n.X) && number(n.Y) || number(n.X) && code(n.Y) {
				add(n)
			}
		case *ast.SwitchStmt:
			if n.Tag == nil || !code(n.Tag) {
				break
			}
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					if number(e) {
						add(e)
					}
				}
			}
		}
		return true
	})
	return found
}

// TestMethodsErrors: methods --errors prints the table: every code with its meaning, in order.
func TestMethodsErrors(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"methods", "--errors"}, func(string) string { return "" }, nil, &out, &out); err != nil {
		t.Fatal(err, out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var got, want []string
	for _, line := range lines[1:] {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	for _, e := range wire.Errors() {
		status := fmt.Sprint(" ", e.Status)
		if e.Status == 200 {
			status = ""
		}
		want = append(want, fmt.Sprintf("%d%s %s", e.Code, status, e.Meaning))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
