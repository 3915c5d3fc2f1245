package store

import (
	"fmt"
	"regexp"
	"strings"
)

var placeholder = regexp.MustCompile(`\$([0-9]+)`)

// lateral returns one query for several that differ only in their parameters. Its first column is the number of the query that a
// row belongs to, counted from 1; the second one is not needed. The rows are in the order of the queries, and within each in the
// order of its rows. It returns false if the parameters have types that it does not know, or that differ.
//
// PostgreSQL takes about as long to begin a query of a few rows as to run it, so this saves most of its work.
func lateral(queries []statement) (statement, bool) {
	first := queries[0]
	if len(first.args) == 0 || strings.Contains(first.text, "LIMIT $") || strings.Contains(first.text, "OFFSET $") {
		return statement{}, false
	}
	args := make([]any, len(first.args))
	var arrays, names []string
	texts := map[string]bool{} // the placeholders that are text
	for i, arg := range first.args {
		typ, ok := "", false
		switch arg.(type) {
		case string:
			typ = "text"
			texts[fmt.Sprint("$", i+1)] = true
			args[i], ok = column[string](queries, i)
		case int64:
			typ = "bigint"
			args[i], ok = column[int64](queries, i)
		case bool:
			typ = "boolean"
			args[i], ok = column[bool](queries, i)
		case []byte:
			typ = "bytea"
			args[i], ok = column[[]byte](queries, i)
		}
		if !ok {
			return statement{}, false
		}
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, typ))
		names = append(names, fmt.Sprint("v", i+1))
	}
	one := placeholder.ReplaceAllStringFunc(first.text, func(p string) string {
		if texts[p] {
			return "(given.v" + p[1:] + ` COLLATE "C")`
		}
		return "given.v" + p[1:]
	})
	return statement{"SELECT given.n, found.* FROM unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS given(" + strings.Join(names, ", ") +
		", n) CROSS JOIN LATERAL (SELECT ROW_NUMBER() OVER () AS row, one.* FROM (" + one + ") AS one) AS found ORDER BY given.n, found.row", args}, true
}

// column returns the parameters of all queries at one place.
func column[T any](queries []statement, at int) ([]T, bool) {
	values := make([]T, len(queries))
	for i, q := range queries {
		v, ok := q.args[at].(T)
		if !ok {
			return nil, false
		}
		values[i] = v
	}
	return values, true
}
