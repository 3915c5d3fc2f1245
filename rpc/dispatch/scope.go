package dispatch

import (
	"tokensmith/model"
	"tokensmith/store"
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
	m := c.Server.Method(path)
	return m != nil && m.Limited
}
