package token

import (
	"net/http"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	maxDeployed  = 100_000 // limit for the users of one domain/deployTokens
	deployedPart = 1000    // how many tokens are inserted at once
)

var deployAttrs = object.Declare(&object.Type{Name: "domain/deployTokens", Of: []string{"domain/deployTokens"}, Attrs: []object.Attr{
	{Name: "domain", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "domain", Column: "-", About: "whose ACTIVE users each get a token, but for those who have one of the product"},
	{Name: "product", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "product", Column: "-", About: "of kind SOFT"},
}})

// DeployArgs are the parameters of domain/deployTokens.
type DeployArgs struct {
	Attrs wire.Members `json:"attrs"`
}

// DeployTokens makes a token of a product for every active user of a domain who has none of it, and assigns it, all or nothing.
func (m *TokenAssignment) DeployTokens(r *http.Request, args *DeployArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	d, err := deployAttrs.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	if err := c.AcquireLarge(r.Context()); err != nil {
		return err
	}
	plan.Long = true
	plan.Update = func(tx store.Tx) (any, error) {
		domainID, err := d.Related(c, tx, "domain")
		if err != nil {
			return nil, err
		}
		productID, err := d.Related(c, tx, "product")
		if err != nil {
			return nil, err
		}
		if domainID == nil || productID == nil {
			return nil, model.AttrErrorf(model.Invalid, "attrs", "domain and product cannot be empty")
		}
		to := deployment{c: c}
		if err := tx.Load(&to.domain, *domainID); err != nil {
			return nil, err
		}
		if err := tx.Load(&to.product, *productID); err != nil {
			return nil, err
		}
		if to.product.Kind != model.Soft {
			return nil, model.Errorf(model.NotDownloadable, "product %s is no soft token: only such can be deployed", to.product.Codes())
		}
		c.SetObject(people.DomainType.Noun, *domainID)
		return nil, to.all(tx)
	}
	return nil
}

// deployment is one domain/deployTokens.
type deployment struct {
	c          *dispatch.Call
	domain     model.Domain
	product    model.Product
	repository string
}

// all makes all tokens.
func (p *deployment) all(tx store.Tx) error {
	if p.domain.RepositoryID != nil {
		p.repository = *p.domain.RepositoryID
	} else {
		r, err := tx.RepositoryByName(model.DefaultRepository)
		if err != nil {
			return err
		}
		p.repository = r.ID
	}
	var users []string
	err := tx.Each(&store.Query{Table: people.UserType.Table, Columns: []store.Column{store.IDColumn}, Sort: []store.Sort{{Column: store.IDColumn}}, Limit: maxDeployed + 1,
		Where: []store.Cond{{Column: store.ToDomain.From, Op: store.Eq, Value: p.domain.ID}, {Column: "status", Op: store.Eq, Value: model.Active}}},
		func(row store.Row) error {
			users = append(users, object.AsText(row[0]))
			return nil
		})
	if err != nil {
		return err
	}
	if len(users) > maxDeployed {
		return model.Errorf(model.TooLarge, "the domain has more than %d active users: too many for one call", maxDeployed)
	}
	for part := range slices.Chunk(users, deployedPart) {
		lacking, err := p.lacking(tx, part)
		if err != nil {
			return err
		}
		if err := p.part(tx, lacking); err != nil {
			return err
		}
	}
	return nil
}

// lacking returns those of the users who have no token of the product. It starts at their assignments, because the product may
// have very many tokens.
func (p *deployment) lacking(tx store.ReadTx, users []string) ([]string, error) {
	ids := make([]any, len(users))
	for i, id := range users {
		ids[i] = id
	}
	has := map[string]bool{}
	err := tx.Each(&store.Query{Table: AssignmentType.Table, Columns: []store.Column{{Name: store.ToUser.From}}, Limit: int64(len(users)) * model.MaxUserTokens,
		Where: []store.Cond{{Column: store.ToUser.From, Op: store.In, Value: ids}, store.OfProduct(p.product.ID)}},
		func(row store.Row) error {
			has[object.AsText(row[0])] = true
			return nil
		})
	return slices.DeleteFunc(slices.Clone(users), func(id string) bool { return has[id] }), err
}

// part makes the tokens of some of the users.
func (p *deployment) part(tx store.Tx, users []string) error {
	serials, err := p.serials(tx, len(users))
	if err != nil {
		return err
	}
	status := model.Active
	if p.product.Activation == model.ActivateCode {
		status = model.Inactive
	}
	c := p.c
	tokens, states, assignments := make([]model.Token, len(users)), make([]model.TokenState, len(users)), make([]model.Assignment, len(users))
	for i, user := range users {
		seed, err := c.Server.Random(GeneratedSeedBytes)
		if err != nil {
			return err
		}
		t := &tokens[i]
		*t = model.Token{ID: c.NewID(), Serial: serials[i], Identifier: serials[i], Status: model.Active, ProductID: p.product.ID, RepositoryID: p.repository,
			DateCreated: c.Now, LastUpdated: c.Now}
		t.Seed = c.Server.Keys.Seal(store.SeedPlace(t.ID), seed)
		store.IndexSeed(c.Server.Keys, t, seed, p.product.Crypto)
		states[i] = model.TokenState{TokenID: t.ID}
		assignments[i] = model.Assignment{ID: c.NewID(), TokenID: t.ID, UserID: user, Status: status, IsOwner: true, DateCreated: c.Now, LastUpdated: c.Now}
	}
	if err := MayHave(tx, assignments, false); err != nil {
		return err
	}
	if _, err := tx.InsertMany(tokens, false); err != nil {
		return err
	}
	if _, err := tx.InsertMany(states, false); err != nil {
		return err
	}
	_, err = tx.InsertMany(assignments, false)
	return err
}

// serials returns that many serial numbers that no token of the product has.
func (p *deployment) serials(tx store.ReadTx, n int) ([]string, error) {
	all := make([]string, 0, n)
	seen := map[string]bool{}
	for len(all) < n {
		var fresh []string
		for range n - len(all) {
			serial, err := newSerial(p.c.Server)
			if err != nil {
				return nil, err
			}
			if !seen[serial] {
				seen[serial] = true
				fresh = append(fresh, serial)
			}
		}
		taken, err := tx.TokensBySerial(p.product.ID, fresh)
		if err != nil {
			return nil, err
		}
		for _, serial := range fresh {
			if _, is := taken[serial]; !is {
				all = append(all, serial)
			}
		}
	}
	return all, nil
}
