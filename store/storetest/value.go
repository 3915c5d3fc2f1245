package storetest

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

var valueCases = []contractCase{
	{"value/every type round-trips", roundTrips},
	{"value/times keep milliseconds", times},
	{"value/integers to their ends", integers},
	{"value/null and empty", nulls},
	{"value/booleans", booleans},
	{"value/save writes every column", saves},
}

// filled returns a T in which each field has a different value. The caller sets the ids.
func filled[T any](n int) *T {
	row := new(T)
	v := reflect.ValueOf(row).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("db") == "" {
			continue // this field has no column
		}
		n++
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name + strings.Repeat("ü", n%7))
		case reflect.Int64:
			f.SetInt(int64(n) * 1_000_000_007)
		case reflect.Bool:
			f.SetBool(n%2 == 0)
		case reflect.Slice:
			f.SetBytes([]byte{0, byte(n), 0xff, 0})
		}
	}
	return row
}

func roundTrips(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	for n := range 2 {
		dom, user, product, repo, token, agent, audit := filled[model.Domain](n), filled[model.User](n), filled[model.Product](n),
			filled[model.Repository](n), filled[model.Token](n), filled[model.Agent](n), filled[model.Audit](n)
		assignment, userState, tokenState := filled[model.Assignment](n), filled[model.UserState](n), filled[model.TokenState](n)
		code, use := filled[model.InstallationCode](n), filled[model.InstallationUse](n)
		license, group, device, clientToken := filled[model.License](n), filled[model.DeviceGroup](n), filled[model.Device](n), filled[model.ClientToken](n)
		userGroup, unit, source := filled[model.Group](n), filled[model.Unit](n), filled[model.IdentitySource](n)
		realm, app, procedure, step := filled[model.Realm](n), filled[model.Application](n), filled[model.LogonProcedure](n), filled[model.LogonStep](n)
		for _, id := range []*string{&realm.ID, &app.ID, &procedure.ID, &step.ID, &userGroup.ID, &unit.ID, &source.ID, &code.ID, &use.ID, &license.ID, &group.ID, &device.ID, &clientToken.ID, &dom.ID, &user.ID, &product.ID, &repo.ID, &token.ID, &agent.ID, &audit.ID, &assignment.ID} {
			*id = newID()
		}
		dom.NameFolded, user.LoginNameFolded, product.ProductCode, repo.Name, agent.Name = newID(), newID(), newID(), newID(), newID()
		user.DomainID, token.ProductID, token.RepositoryID, repo.ParentID = dom.ID, product.ID, repo.ID, &w.repository.ID
		assignment.TokenID, assignment.UserID, userState.UserID, tokenState.TokenID = token.ID, user.ID, user.ID, token.ID
		realm.NameFolded, app.NameFolded, procedure.NameFolded, step.LogonProcedureID = newID(), newID(), newID(), procedure.ID
		userGroup.DomainID, unit.DomainID, source.NameFolded = dom.ID, dom.ID, newID()
		group.NameFolded, device.NameFolded, clientToken.DeviceID = newID(), newID(), device.ID
		code.CodeIndex, use.CodeID, use.NonceHash = []byte(newID()), code.ID, []byte(newID())
		if n > 0 {
			code.DomainID, code.UserID, code.DeviceID, code.LicenseID, use.UserID = &dom.ID, &user.ID, &device.ID, &license.ID, &user.ID
			device.UserID, device.LicenseID = &user.ID, &license.ID
			app.RealmID = &realm.ID
			user.UnitID, unit.RepositoryID, dom.IdentitySourceID, dom.RepositoryID = &unit.ID, &repo.ID, &source.ID, &repo.ID
		}
		insert(t, s, realm, app, procedure, step, repo, source, dom, unit, user, userState, product, token, tokenState, assignment, agent, audit, license, group, userGroup, device, clientToken, code, use)
		for _, want := range []any{code, use, license, group, userGroup, unit, source, realm, app, procedure, step, device, clientToken, dom, user, userState, product, repo, token, tokenState, assignment, agent, audit} {
			got := reflect.New(reflect.TypeOf(want).Elem())
			id := reflect.ValueOf(want).Elem().Field(0).String()
			view(t, s, func(tx store.ReadTx) error { return tx.Load(got.Interface(), id) })
			if !reflect.DeepEqual(got.Interface(), want) {
				t.Errorf("got  %+v\nwant %+v", got.Elem(), reflect.ValueOf(want).Elem())
			}
		}
	}
}

func saves(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	bystander := newToken(w.product, w.repository)
	insert(t, s, bystander)
	want := filled[model.Token](3)
	want.ID, want.ProductID, want.RepositoryID = w.token.ID, w.product.ID, w.repository.ID
	update(t, s, func(tx store.Tx) error { return tx.Save(want) })
	view(t, s, func(tx store.ReadTx) error {
		for _, want := range []*model.Token{want, bystander} {
			var got model.Token
			if err := tx.Load(&got, want.ID); err != nil {
				return err
			}
			if !reflect.DeepEqual(&got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		return nil
	})
}

// values returns one column of the matching rows, in the order of their ids.
func values(t *testing.T, s store.Store, table, column string, where ...store.Cond) (got []any) {
	t.Helper()
	view(t, s, func(tx store.ReadTx) error {
		rows, err := tx.Find(&store.Query{Table: table, Columns: []store.Column{{Name: column}}, Where: where, Limit: 1000,
			Sort: []store.Sort{{Column: store.Column{Name: "id"}}}})
		for _, r := range rows {
			got = append(got, r[0])
		}
		return err
	})
	return got
}

func times(t *testing.T, d *Database) {
	s := d.Open(t)
	moments := []model.Time{0, 1, 999, model.At(time.Date(2026, 3, 29, 1, 59, 59, 999_999_999, time.UTC)),
		model.At(time.Date(2026, 3, 29, 2, 0, 0, 1_000_000, time.UTC)), model.At(time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC))}
	for _, m := range moments {
		a := &model.Audit{ID: newID(), Time: m, MAC: []byte{}}
		insert(t, s, a)
		view(t, s, func(tx store.ReadTx) error {
			var got model.Audit
			err := tx.Load(&got, a.ID)
			if got.Time != m || got.Time.Std().Location() != time.UTC {
				t.Errorf("%d came back as %d", m, got.Time)
			}
			return err
		})
	}
	for i, got := range values(t, s, "audit", "time") {
		if got != int64(moments[i]) {
			t.Errorf("%d found as %v (%T)", moments[i], got, got)
		}
	}
	if got := values(t, s, "audit", "time", store.Cond{Column: "time", Op: store.Gt, Value: int64(moments[3])}); len(got) != 2 {
		t.Errorf("a millisecond later: %v", got)
	}
}

func integers(t *testing.T, d *Database) {
	s := d.Open(t)
	want := []int64{math.MinInt64, math.MinInt64 + 1, -1 << 53, -1, 0, 1, 1<<31 - 1, 1 << 31, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64}
	for _, n := range want {
		p := newProduct()
		p.CheckWindow = n
		insert(t, s, p)
		view(t, s, func(tx store.ReadTx) error {
			var got model.Product
			err := tx.Load(&got, p.ID)
			if got.CheckWindow != n {
				t.Errorf("%d came back as %d", n, got.CheckWindow)
			}
			return err
		})
		if got := values(t, s, "products", "check_window", store.Cond{Column: "check_window", Op: store.Eq, Value: n}); len(got) != 1 || got[0] != n {
			t.Errorf("%d found as %v", n, got)
		}
		below := values(t, s, "products", "check_window", store.Cond{Column: "check_window", Op: store.Lt, Value: n})
		if got := values(t, s, "products", "check_window"); len(below) != len(got)-1 {
			t.Errorf("%d of %d are less than %d", len(below), len(got), n)
		}
	}
}

func nulls(t *testing.T, d *Database) {
	s := d.Open(t)
	dom := newDomain()
	insert(t, s, dom)
	for _, password := range [][]byte{nil, {}, {0}} {
		u := newUser(dom)
		u.Password = password
		insert(t, s, u)
		view(t, s, func(tx store.ReadTx) error {
			var got model.User
			err := tx.Load(&got, u.ID)
			if (got.Password == nil) != (password == nil) || !bytes.Equal(got.Password, password) {
				t.Errorf("%#v came back as %#v", password, got.Password)
			}
			return err
		})
	}
	root := newRepository()
	child := newRepository()
	child.ParentID = &root.ID
	insert(t, s, root, child)
	got := values(t, s, "repositories", "parent_id")
	if len(got) != 2 || got[0] != nil || got[1] != root.ID {
		t.Errorf("parents found: %v", got)
	}
	parent := []store.Step{{From: "parent_id", Table: "repositories", To: "id"}}
	for _, c := range []struct {
		cond store.Cond
		want int
	}{
		{store.Cond{Path: parent, Column: "id", Op: store.Eq, Value: root.ID}, 1},
		{store.Cond{Path: parent, Column: "id", Op: store.Ne, Value: "other"}, 1},
		{store.Cond{Path: parent, Column: "name", Op: store.Eq, Value: root.Name}, 1},
		{store.Cond{Path: parent, Column: "name", Op: store.Ne, Value: "other"}, 1},
		{store.Cond{Path: parent, Column: "name", Op: store.StartsOn, Value: ""}, 1},
		{store.Cond{Path: parent, Column: "id", Op: store.StartsOn, Value: ""}, 1},
		{store.Cond{Column: "parent_id", Op: store.Eq, Value: ""}, 0},
	} {
		if got := values(t, s, "repositories", "id", c.cond); len(got) != c.want {
			t.Errorf("%+v gives %v", c.cond, got)
		}
	}
	// A path that leads to no row gives no value.
	view(t, s, func(tx store.ReadTx) error {
		rows, err := tx.Find(&store.Query{Table: "repositories", Columns: []store.Column{{Path: parent, Name: "name"}}, Limit: 9,
			Sort: []store.Sort{{Column: store.Column{Name: "id"}}}})
		if len(rows) != 2 || rows[0][0] != nil || rows[1][0] != root.Name {
			t.Errorf("parents' names: %v", rows)
		}
		return err
	})
}

func booleans(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	confined := newToken(w.product, w.repository)
	confined.Confined = true
	insert(t, s, confined)
	if got := values(t, s, "tokens", "confined"); len(got) != 2 || got[0] != false || got[1] != true {
		t.Errorf("found %#v", got)
	}
	for value, want := range map[bool]string{false: w.token.ID, true: confined.ID} {
		for _, cond := range []store.Cond{{Column: "confined", Op: store.Eq, Value: value}, {Column: "confined", Op: store.Ne, Value: !value},
			{Column: "confined", Op: store.In, Value: []any{value}}} {
			if got := values(t, s, "tokens", "id", cond); len(got) != 1 || got[0] != want {
				t.Errorf("%+v gives %v", cond, got)
			}
		}
	}
	owner := newAssignment(w.token, w.user)
	owner.IsOwner = true
	insert(t, s, owner)
	update(t, s, func(tx store.Tx) error { return tx.DisownToken(w.token.ID, 5) })
	view(t, s, func(tx store.ReadTx) error {
		var got model.Assignment
		err := tx.Load(&got, owner.ID)
		if got.IsOwner || got.LastUpdated != 5 {
			t.Errorf("disowned: %+v", got)
		}
		return err
	})
}
