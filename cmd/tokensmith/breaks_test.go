package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each of the faults that make breaks puts into the code fits the code as it is.
func TestBreaksFit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../testdata/breaks.txt")
	if err != nil {
		t.Fatal(err)
	}
	edit := regexp.MustCompile(`(?ms)^-- (\S+)\n<<<<\n(.*?)^====\n(.*?)^>>>>$`)
	breaks := strings.Split(string(text), "\n== ")[1:]
	for _, one := range breaks {
		name, rest, _ := strings.Cut(one, "\n")
		edits := edit.FindAllStringSubmatch(rest, -1)
		if len(edits) == 0 || !strings.Contains(rest, "\n$ ") || strings.Count(rest, "\n<<<<\n") != len(edits) {
			t.Errorf("%s: no edit, or no command", name)
		}
		for _, e := range edits {
			code, err := os.ReadFile("../../" + e[1])
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := strings.Count(string(code), e[2]); n != 1 || e[2] == e[3] {
				t.Errorf("%s: what is to be replaced in %s stands there %d times", name, e[1], n)
			}
		}
	}
}
