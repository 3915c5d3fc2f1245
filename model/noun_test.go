package model

import (
	"testing"
)

// TestNounsAreChecked: each noun that a client can name has a unique name and a unique code; otherwise the program does not
// start.
func TestNounsAreChecked(t *testing.T) {
	t.Parallel()
	for what, make := range map[string]func() Noun{
		"no code":         func() Noun { return noun(0, "thing") },
		"a negative code": func() Noun { return noun(-1, "thing") },
		"no name":         func() Noun { return noun(999, "") },
		"a known name":    func() Noun { return noun(999, "user") },
		"a known code":    func() Noun { return noun(101, "thing") },
		"inner, no name":  func() Noun { return inner("") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", what)
				}
			}()
			make()
		}()
	}
	if e := NotFoundError(Noun{}); e.Kind != NotFound || e.Noun.Code() != 0 || e.Msg != "object not found" {
		t.Errorf("%+v", e)
	}
}
