package rpc

import (
	"testing"

	"tokensmith/model"
	"tokensmith/rpc/installation"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/object"
)

// The "not found" error of every object type names its own noun.
func TestEveryObjectHasItsNoun(t *testing.T) {
	t.Parallel()
	seen := map[model.Noun]string{}
	for _, o := range object.Types {
		if other, twice := seen[o.NotFound]; twice || o.NotFound.Code() == 0 && o != installation.UseType && o != logon.AuthenticatorType {
			t.Errorf("%s is missed as %q, which has the code %d and is %q's", o.Name, o.NotFound, o.NotFound.Code(), other)
		}
		seen[o.NotFound] = o.Name
	}
}
