package dispatch

import (
	"tokensmith/model"
	"tokensmith/store"
)

// limitTo sets the scope of a call from the domains of its agent.
func (s *Server) limitTo(tx store.ReadTx, c *Call, a *model.Agent) error {
	if a.Domains == "" {
		return nil
	}
	var names []string
	for _, n := range a.Domains.Items() {
		names = append(names, model.Fold(n))
	}
	known, err := tx.DomainsByName(names)
	ids := make([]any, 0, len(known)) // if no domain is known, the agent sees nothing
	for _, n := range names {
		if d, ok := known[n]; ok {
			ids = append(ids, d.ID)
		}
	}
	c.Scope = store.DomainScope(ids)
	return err
}

// open returns whether a method may be used by a caller that is limited to domains, if this caller is.
func (c *Call) open(path string) bool {
	if c.Scope == nil {
		return true
	}
	m := c.Server.Method(path)
	return m != nil && m.Limited
}
