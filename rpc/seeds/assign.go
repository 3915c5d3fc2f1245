package seeds

import (
	"net/http"
	"slices"
	"strconv"

	"tokensmith/model"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// BatchAssignTokens assigns tokens to users with a CSV file, all or nothing.
func (m *Token) BatchAssignTokens(r *http.Request, args *people.CSVArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	csv, err := args.Read()
	if err != nil {
		return err
	}
	rows, unread, err := seedfile.ReadAssignments(csv.Text, c.Server.Config.ImportRows, csv.Ignore...)
	if err != nil {
		return err
	}
	var bad wire.RowErrors
	bad.Take(unread)
	statuses := token.AssignmentType.ByName["status"].Values
	for _, row := range rows {
		if row.Status != "" && !slices.Contains(statuses, row.Status) {
			bad.Add(row.Line, row.Serial, "status must be ACTIVE, INACTIVE, LOCKED or DISABLED")
		}
		if row.PIN != nil {
			if err := people.CheckPIN(c.Server, "pin", row.PIN); err != nil {
				bad.Add(row.Line, row.Serial, "%s", wire.ClientError(err).Msg)
			}
		}
	}
	plan.Long = true
	plan.Update = func(tx store.Tx) (any, error) {
		b := &assigning{c: c, tx: tx, bad: wire.RowErrors{Rows: slices.Clone(bad.Rows), More: bad.More}}
		if err := b.settle(rows); err != nil {
			return nil, err
		}
		if csv.DryRun {
			c.DryRun = true
			return assignedRows{len(b.made) + len(b.changed), len(b.made), len(b.changed), preview(rows)}, token.MayHave(tx, b.made, false)
		}
		c.SetObject("tokens", strconv.Itoa(len(rows))+" rows")
		return nil, b.write()
	}
	return nil
}

// assignedRows is the reply to a dry run of token/batchAssignTokens.
type assignedRows struct {
	Total   int             `json:"total"`
	Created int             `json:"created"`
	Updated int             `json:"updated"`
	Preview *people.Preview `json:"preview"`
}

// preview returns the first rows of a file, without the PINs in them.
func preview(file []seedfile.Assignment) *people.Preview {
	p := &people.Preview{Columns: []string{"domain", "loginName", "manufacturerCode", "productCode", "serial", "status", "pin"}, Rows: [][]string{}}
	for _, a := range file[:min(people.PreviewRows, len(file))] {
		pin := ""
		if a.PIN != nil {
			pin = people.HiddenField
		}
		p.Rows = append(p.Rows, []string{a.Domain, a.LoginName, a.ManufacturerCode, a.ProductCode, a.Serial, a.Status, pin})
	}
	return p
}

// assigning is the state of a batch assignment in its transaction. The number of its queries depends on how many kinds of objects
// the file names, and not on the number of rows.
type assigning struct {
	c        *dispatch.Call
	tx       store.Tx
	bad      wire.RowErrors
	domains  map[string]model.Domain
	users    map[string][]store.NamesOf        // by folded name
	inFront  map[string]model.Domain           // by folded name of the domain, for user names that begin with a domain
	products map[string]*model.Product         // by codes
	tokens   map[string]map[string]model.Token // by product id and serial number
	held     map[string][]model.Assignment     // by token id
	pending  map[[2]string]int64               // new assignments of this file, by user id and product id
	seen     map[[2]string]int                 // line in the file, by token id and user id
	made     []model.Assignment
	changed  []*model.Assignment
}

// settle checks the rows and finds out what they change. It writes nothing.
func (b *assigning) settle(rows []seedfile.Assignment) error {
	if err := b.read(rows); err != nil {
		return err
	}
	b.pending, b.seen = map[[2]string]int64{}, map[[2]string]int{}
	for _, row := range rows {
		if err := b.row(row); err != nil {
			e := wire.ClientError(err)
			if e.Kind == model.Internal || e.Kind == model.Unavailable {
				return err
			}
			b.bad.Add(row.Line, row.Serial, "%s", e.Msg)
		}
	}
	return b.bad.Err(model.BatchRefused)
}

// write writes what settle found out.
func (b *assigning) write() error {
	for _, a := range b.changed {
		if err := b.tx.Save(a); err != nil {
			return err
		}
	}
	if _, err := b.tx.InsertMany(b.made, false); err != nil {
		return err
	}
	return token.MayHave(b.tx, b.made, true)
}

// read looks up everything that the rows name.
func (b *assigning) read(rows []seedfile.Assignment) (err error) {
	var names []string
	for _, row := range rows {
		names = append(names, model.Fold(row.Domain))
	}
	if b.domains, err = b.tx.DomainsByName(slices.Compact(slices.Sorted(slices.Values(names)))); err != nil {
		return err
	}
	var called, inFront []string
	serials := map[string][]string{}
	b.products = map[string]*model.Product{}
	for _, row := range rows {
		called = append(called, model.Fold(row.LoginName))
		if n := model.ParseUserName(model.Fold(row.LoginName)); n.InDomain {
			inFront = append(inFront, n.Domain)
		}
		codes := row.ManufacturerCode + "/" + row.ProductCode
		p, seen := b.products[codes]
		if !seen {
			found, err := b.tx.ProductByCodes(row.ManufacturerCode, row.ProductCode)
			if err == nil {
				p = &found
			} else if wire.ClientError(err).Kind != model.NotFound {
				return err
			}
			b.products[codes] = p
		}
		if p != nil {
			serials[p.ID] = append(serials[p.ID], row.Serial)
		}
	}
	if b.users, err = b.tx.UsersCalled(slices.Compact(slices.Sorted(slices.Values(called)))); err != nil {
		return err
	}
	if b.inFront, err = b.tx.DomainsCalled(slices.Compact(slices.Sorted(slices.Values(inFront)))); err != nil {
		return err
	}
	b.tokens = map[string]map[string]model.Token{}
	var ids []string
	for id, list := range serials {
		if b.tokens[id], err = b.tx.TokensBySerial(id, slices.Compact(slices.Sorted(slices.Values(list)))); err != nil {
			return err
		}
		for _, t := range b.tokens[id] {
			ids = append(ids, t.ID)
		}
	}
	slices.Sort(ids)
	b.held, err = b.tx.AssignmentsOfTokens(ids)
	return err
}

// user returns the user of a domain that a name means.
func (b *assigning) user(domain *model.Domain, name string) (store.NamesOf, error) {
	fit := slices.DeleteFunc(slices.Clone(b.users[name]), func(u store.NamesOf) bool { return u.DomainID != domain.ID })
	if len(fit) == 1 {
		return fit[0], nil
	}
	if len(fit) > 1 {
		return store.NamesOf{}, model.Errorf(model.Ambiguous, "the name matches more than one user")
	}
	if n := model.ParseUserName(name); n.InDomain {
		if _, ok := b.inFront[n.Domain]; !ok {
			return store.NamesOf{}, model.Errorf(model.DomainNotDefined, "the domain is not defined")
		}
	}
	return store.NamesOf{}, model.NotFoundError(people.UserType.NotFound)
}

// row assigns one token to one user. If the token has an owner already, the new assignment is shared. An existing assignment is
// updated.
func (b *assigning) row(row seedfile.Assignment) error {
	domain, ok := b.domains[model.Fold(row.Domain)]
	if !ok {
		return model.Errorf(model.DomainNotDefined, "the domain is not defined")
	}
	user, err := b.user(&domain, model.Fold(row.LoginName))
	if err != nil {
		return err
	}
	product := b.products[row.ManufacturerCode+"/"+row.ProductCode]
	if product == nil {
		return model.NotFoundError(token.ProductType.NotFound)
	}
	tok, ok := b.tokens[product.ID][row.Serial]
	if !ok {
		return model.NotFoundError(token.TokenType.NotFound)
	}
	if line, twice := b.seen[[2]string{tok.ID, user.ID}]; twice {
		return model.Errorf(model.Exists, "the token and the user are already in line %d", line)
	}
	b.seen[[2]string{tok.ID, user.ID}] = row.Line
	held := b.held[tok.ID]
	for i := range held {
		a := &held[i]
		if a.UserID != user.ID {
			continue
		}
		if row.Status != "" {
			a.Status = row.Status
		}
		if row.PIN != nil {
			token.SetPIN(b.c, a, row.PIN)
		}
		a.LastUpdated = b.c.Now
		b.changed = append(b.changed, a)
		return nil
	}
	a := model.Assignment{ID: b.c.NewID(), TokenID: tok.ID, UserID: user.ID, Status: row.Status, IsOwner: !token.Owned(held),
		DateCreated: b.c.Now, LastUpdated: b.c.Now}
	counted := [2]string{user.ID, product.ID}
	if err := token.Admit(b.c, b.tx, &a, &tok, product, held, b.pending[counted]); err != nil {
		return err
	}
	if row.PIN != nil {
		token.SetPIN(b.c, &a, row.PIN)
	}
	b.pending[counted]++
	b.held[tok.ID] = append(held, a)
	b.made = append(b.made, a)
	return nil
}
