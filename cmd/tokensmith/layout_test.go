package main

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLayout: every package has a row in the README's layout, and every folder in it exists.
func TestLayout(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, layout, _ := strings.Cut(string(text), "\n## Layout\n")
	layout, _, _ = strings.Cut(layout, "\n## ")
	var rows []string
	parent := ""
	for _, m := range regexp.MustCompile(`(?m)^    (  )?([\w./]+)  +\S`).FindAllStringSubmatch(layout, -1) {
		row := m[2]
		if m[1] == "" {
			parent = row
		} else {
			row = parent + row
		}
		rows = append(rows, strings.TrimSuffix(row, "/"))
		if _, err := os.Stat("../../" + row); err != nil {
			t.Errorf("README.md's layout: %v", err)
		}
	}
	for pkg := range listed(t, ".Deps", "./...") {
		folder := strings.TrimPrefix(pkg, "tokensmith/")
		if strings.HasSuffix(folder, "test") && slices.Contains(rows, path.Dir(folder)) {
			continue // shared by the tests of the package above it
		}
		if !slices.Contains(rows, folder) {
			t.Errorf("README.md's layout lacks %s", folder)
		}
	}
}
