package rpc

import (
	"context"

	"tokensmith/model"
	"tokensmith/rpc/admin"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// metaBuiltin is set after the built-in objects were made, because an administrator may delete them later: "1" for the products and
// the repository, "2" for the identity source, the authenticators and the application as well.
const metaBuiltin = "builtin"

// bootstrap inserts the built-in objects into a new database, and into an older one what it lacks of them. Several servers may do so
// at the same time.
func (s *Server) bootstrap(ctx context.Context) error {
	return s.core.Config.Store.UpdateAlone(ctx, func(tx store.Tx) error {
		// Templates cannot be deleted. A missing template is for a kind of message that is new in this version.
		for _, t := range model.BuiltinTemplates() {
			_, err := tx.TemplateByName(t.Name)
			if wire.NoSingleMatch(err) {
				t.ID = s.core.Config.NewID()
				err = tx.Insert(&t)
			}
			if err != nil {
				return err
			}
		}
		done, err := tx.Meta(metaBuiltin)
		if err != nil || string(done) == "2" {
			return err
		}
		if done == nil {
			if err := s.firstProducts(tx); err != nil {
				return err
			}
		}
		if err := s.internalSource(tx); err != nil {
			return err
		}
		if _, err := tx.InsertMany(model.Authenticators(), false); err != nil {
			return err
		}
		if err := tx.Insert(&model.Application{ID: s.core.Config.NewID(), Name: model.BuiltinApplication, NameFolded: model.Fold(model.BuiltinApplication)}); err != nil {
			return err
		}
		return tx.PutMeta(metaBuiltin, []byte("2"))
	})
}

// firstProducts inserts the built-in products and the repository.
func (s *Server) firstProducts(tx store.Tx) error {
	for _, p := range model.Builtin() {
		p.ID = s.core.Config.NewID()
		if err := tx.Insert(&p); err != nil {
			return err
		}
	}
	return tx.Insert(&model.Repository{ID: s.core.Config.NewID(), Name: model.DefaultRepository})
}

// internalSource inserts the built-in identity source, and gives it to the domains that were made before there were any.
func (s *Server) internalSource(tx store.Tx) error {
	source := model.NewInternalSource()
	source.ID = s.core.Config.NewID()
	if err := tx.Insert(source); err != nil {
		return err
	}
	domains, err := tx.Domains()
	for i := range domains {
		if err != nil {
			break
		}
		domains[i].IdentitySourceID = &source.ID
		err = tx.Save(&domains[i])
	}
	return err
}

// FirstAgent is the agent that a new database gets, so that somebody can call.
type FirstAgent struct{ Name, ClientID, ClientSecret string }

// FirstAgent makes the first agent, which may do everything. If the database has an agent, it returns nil. keep is called with
// the secret before the agent is committed, so that the secret cannot be lost.
func (s *Server) FirstAgent(ctx context.Context, keep func(FirstAgent) error) (*FirstAgent, error) {
	clientSecret, err := admin.NewClientSecret(s.core)
	if err != nil {
		return nil, err
	}
	var first *FirstAgent
	id := s.core.Config.NewID()
	err = s.core.Config.Store.UpdateAlone(ctx, func(tx store.Tx) error {
		first = nil
		n, err := tx.Count(&store.Query{Table: admin.AgentType.Table})
		if err != nil || n > 0 {
			return err
		}
		now := model.At(s.core.Config.Now())
		first = &FirstAgent{"first", id, clientSecret}
		a := model.Agent{ID: id, Name: first.Name, NameFolded: model.Fold(first.Name), Type: model.APIAgent, SecretHash: model.HashSecret(model.Secret(clientSecret)), Permissions: "*",
			Status: model.Active, DateCreated: now, Generation: 1}
		if err := tx.Insert(&a); err != nil {
			return err
		}
		if err := tx.Audit(&model.Audit{Time: now, Agent: "serve", Method: "agent/create", Object: "agent " + id, Remote: "local"}); err != nil {
			return err
		}
		return keep(*first)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}
