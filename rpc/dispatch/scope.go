package dispatch

import (
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// An agent limited to domains sees their users, those users' assignments and devices, and tokens that are unassigned or
// assigned only there. It only reads what all domains share. The tables are in store.DomainScope, which the store applies to each transaction of its
// calls; the maps below say which methods are open.

var (
	readOnlyFor = map[string]bool{"domain": true, "product": true, "repository": true, "license": true, "deviceGroup": true} // objects it reads
	writableFor = map[string]bool{"user": true, "token": true, "tokenAssignment": true, "device": true}
	openFor     = map[string]bool{"auth": true, "batch": true} // methods without an object of their own
)

// limitTo gives a call the scope of an agent that was just loaded.
func (s *Server) limitTo(tx store.ReadTx, c *Call, a *model.Agent) error {
	if a.Domains == "" {
		return nil
	}
	var names []string
	for _, n := range a.Domains.Items() {
		names = append(names, model.Fold(n))
	}
	known, err := tx.DomainsByName(names)
	ids := make([]any, 0, len(known)) // none known: it sees nothing
	for _, n := range names {
		if d, ok := known[n]; ok {
			ids = append(ids, d.ID)
		}
	}
	c.Scope = store.DomainScope(ids)
	return err
}

// open says whether a method is open to a caller who is limited to domains.
func (c *Call) open(path string) bool {
	if c.Scope == nil {
		return true
	}
	object, verb, _ := strings.Cut(path, "/")
	return writableFor[object] || openFor[object] || readOnlyFor[object] && (verb == "get" || verb == "search")
}
