package wire

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
)

// No error has code 0, which means success. This also holds for unknown kinds and for every noun, including the zero noun. An
// error without a code is reported as an internal error, and the log contains its cause.
func TestNoErrorIsSuccess(t *testing.T) {
	t.Parallel()
	last := len(model.Kinds())
	for k := range last + 20 {
		for _, n := range append(model.Nouns(), model.Noun{}) {
			e := &model.Error{Kind: model.Kind(k), Noun: n, Msg: "the message"}
			for _, err := range []error{e, fmt.Errorf("around: %w", e)} {
				seen := ClientError(err)
				var reply struct {
					Error   int    `json:"error"`
					Message string `json:"message"`
				}
				if err := json.Unmarshal(Failure(seen), &reply); err != nil {
					t.Fatal(err)
				}
				if reply.Error <= 0 || CodeOf(e).Number != reply.Error {
					t.Errorf("kind %d, %s: %d, %d", k, n, reply.Error, CodeOf(e).Number)
				}
				own := k < last && e.Kind != model.Internal && (e.Kind != model.NotFound || n.Code() != 0)
				if own != (reply.Error != 1) || own != (reply.Message == "the message") || !own && !errors.Is(seen, e) {
					t.Errorf("kind %d, %s: %+v, %v", k, n, reply, seen)
				}
			}
		}
	}
	if e := ClientError(errors.New("any")); CodeOf(e).Number != 1 {
		t.Error(e)
	}
}

// The program does not start if the table of codes is incomplete or ambiguous.
func TestCodesAreChecked(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(map[model.Kind]ErrorCode, map[model.Noun]model.Kind){
		"a kind without a code": func(c map[model.Kind]ErrorCode, _ map[model.Noun]model.Kind) { delete(c, model.Installed) },
		"the code 0": func(c map[model.Kind]ErrorCode, _ map[model.Noun]model.Kind) {
			c[model.Locked] = ErrorCode{0, 0, "locked"}
		},
		"a code without a meaning": func(c map[model.Kind]ErrorCode, _ map[model.Noun]model.Kind) { c[model.Locked] = ErrorCode{202, 0, ""} },
		"a code of two kinds": func(c map[model.Kind]ErrorCode, _ map[model.Noun]model.Kind) {
			c[model.Locked] = ErrorCode{201, 0, "locked"}
		},
		"a code of a kind and a noun": func(c map[model.Kind]ErrorCode, _ map[model.Noun]model.Kind) {
			c[model.Locked] = ErrorCode{101, 0, "locked"}
		},
		"a not-found without a noun": func(c map[model.Kind]ErrorCode, _ map[model.Noun]model.Kind) {
			c[model.NotFound] = ErrorCode{100, 0, "not found"}
		},
		"a noun with another code than its kind's": func(_ map[model.Kind]ErrorCode, s map[model.Noun]model.Kind) { s[model.DomainNoun] = model.Locked },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := maps.Clone(Codes), maps.Clone(shared)
			publish(c, s)
			spoil(c, s)
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			publish(c, s)
		})
	}
}
