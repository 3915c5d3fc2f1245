package storetest

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var deviceCases = []contractCase{
	{"device/seats are never exceeded", seatRace},
	{"device/an expired license has no seats", expiredSeats},
	{"device/a presented client token", presentedToken},
	{"device/last use", lastUse},
	{"device/names and groups", namesAndGroups},
	{"device/relations", relations},
	{"device/what a deletion takes along", deletedDevice},
}

func newDevice(name string) (*model.Device, *model.ClientToken) {
	d := &model.Device{ID: newID(), Name: name, NameFolded: model.Fold(name), Status: model.Active}
	tok := &model.ClientToken{ID: newID(), DeviceID: d.ID, Hash: []byte("hash"), State: model.Issued}
	d.TokenID = tok.ID
	return d, tok
}

func newGroup(name string) *model.DeviceGroup {
	return &model.DeviceGroup{ID: newID(), Name: name, NameFolded: model.Fold(name)}
}

func seatRace(t *testing.T, d *Database) {
	stores := []store.Store{d.Open(t), d.Open(t)}
	l := &model.License{ID: newID(), Name: "l", Seats: 20, SeatsUsed: 10}
	insert(t, stores[0], l)
	var got atomic.Int64
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			var taken bool
			err := stores[i%2].Update(context.Background(), func(tx store.Tx) (err error) {
				taken, err = tx.TakeSeats(l.ID, 1, 1)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if taken {
				got.Add(1)
			}
		})
	}
	group.Wait()
	if got.Load() != 10 {
		t.Errorf("%d got one of 10 seats", got.Load())
	}
	update(t, stores[1], func(tx store.Tx) error { return tx.FreeSeat(l.ID) })
	view(t, stores[0], func(tx store.ReadTx) error {
		var now model.License
		err := tx.Load(&now, l.ID)
		if now.SeatsUsed != 19 {
			t.Errorf("%d seats are used, not 19", now.SeatsUsed)
		}
		return err
	})
}

func expiredSeats(t *testing.T, d *Database) {
	s := d.Open(t)
	l := &model.License{ID: newID(), Name: "l", Seats: 10, Expires: 10_500}
	insert(t, s, l)
	for _, c := range []struct {
		n    int64
		at   model.Time
		want bool
	}{{1, 10_000, true}, {1, 10_999, true}, {1, 11_000, false}, {9, 1, false}, {8, 1, true}, {1, 1, false}} {
		update(t, s, func(tx store.Tx) error {
			taken, err := tx.TakeSeats(l.ID, c.n, c.at)
			if taken != c.want {
				t.Errorf("%d seats at %d: %v", c.n, c.at, taken)
			}
			return err
		})
	}
	update(t, s, func(tx store.Tx) error {
		taken, err := tx.TakeSeats("nowhere", 1, 1)
		if taken {
			t.Error("a seat of no license")
		}
		return err
	})
}

func presentedToken(t *testing.T, d *Database) {
	s := d.Open(t)
	dev, tok := newDevice("Lobby")
	dev.Status, tok.State, tok.Reason, tok.LastUsed = model.Inactive, model.Revoked, "why", 7
	other, otherTok := newDevice("other")
	insert(t, s, dev, tok, other, otherTok)
	view(t, s, func(tx store.ReadTx) error {
		found, err := tx.Presented([]string{tok.ID, "none"})
		want := map[string]model.Presented{tok.ID: {ID: tok.ID, Hash: tok.Hash, State: model.Revoked, Reason: "why", LastUsed: 7,
			DeviceID: dev.ID, Device: "Lobby", DeviceStatus: model.Inactive}}
		if !reflect.DeepEqual(found, want) {
			t.Errorf("%+v", found)
		}
		return err
	})
}

func lastUse(t *testing.T, d *Database) {
	s := d.Open(t)
	dev, tok := newDevice("a")
	ended, endedTok := newDevice("b")
	endedTok.State = model.Revoked
	bystander, bystanderTok := newDevice("c")
	insert(t, s, dev, tok, ended, endedTok, bystander, bystanderTok)
	for _, at := range []model.Time{5, 9} {
		update(t, s, func(tx store.Tx) error { return tx.Seen([]string{tok.ID, endedTok.ID}, at) })
	}
	view(t, s, func(tx store.ReadTx) error {
		for _, c := range []struct {
			dev                       *model.Device
			tok                       *model.ClientToken
			state                     string
			firstUsed, lastUsed, seen model.Time
		}{{dev, tok, model.Active, 5, 9, 9}, {ended, endedTok, model.Revoked, 5, 9, 9}, {bystander, bystanderTok, model.Issued, 0, 0, 0}} {
			var gotDev model.Device
			var gotTok model.ClientToken
			if err := tx.Load(&gotDev, c.dev.ID); err != nil {
				return err
			}
			if err := tx.Load(&gotTok, c.tok.ID); err != nil {
				return err
			}
			if gotTok.State != c.state || gotTok.FirstUsed != c.firstUsed || gotTok.LastUsed != c.lastUsed || gotDev.LastSeen != c.seen {
				t.Errorf("%s: %+v, last seen %d", c.dev.Name, gotTok, gotDev.LastSeen)
			}
		}
		return nil
	})
}

func namesAndGroups(t *testing.T, d *Database) {
	s := d.Open(t)
	one, _ := newDevice("Hall-001")
	two, _ := newDevice("hall%-002")
	three, _ := newDevice("Hallway")
	b, a := newGroup("b"), newGroup("A")
	insert(t, s, one, two, three, a, b, &model.DeviceGroupMember{DeviceID: one.ID, GroupID: b.ID}, &model.DeviceGroupMember{DeviceID: one.ID, GroupID: a.ID})
	view(t, s, func(tx store.ReadTx) error {
		names, err := tx.DeviceNames("hall-")
		if err != nil || !reflect.DeepEqual(names, []string{"hall-001"}) {
			t.Error(names)
		}
		if found, err := tx.DeviceGroupByName("a"); err != nil || found != *a {
			t.Error(found, err)
		}
		_, missed := tx.DeviceGroupByName("A")
		wantKind(t, missed, model.NotFound)
		groups, err := tx.DeviceGroupNames(one.ID)
		if err != nil || !reflect.DeepEqual(groups, []string{"A", "b"}) {
			t.Error(groups, err)
		}
		groups, err = tx.DeviceGroupNames(two.ID)
		if groups == nil || len(groups) > 0 {
			t.Error(groups, err)
		}
		return err
	})
	same, _ := newDevice("HALL-001")
	wantKind(t, s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(same) }), model.Exists)
}

func relations(t *testing.T, d *Database) {
	s := d.Open(t)
	dev, tok := newDevice("a")
	other, otherTok := newDevice("b")
	x, y, z := newGroup("x"), newGroup("y"), newGroup("z")
	insert(t, s, dev, tok, other, otherTok, x, y, z, &model.DeviceGroupMember{DeviceID: other.ID, GroupID: x.ID})
	first := store.Step{From: "id", Table: "device_group_members", To: "device_id"}
	second := store.Step{From: "group_id", Table: "device_groups", To: "id"}
	for _, want := range [][]string{{x.ID, y.ID}, {y.ID, z.ID}, nil} {
		update(t, s, func(tx store.Tx) error { return tx.Relate(first, second, dev.ID, want) })
		view(t, s, func(tx store.ReadTx) error {
			rows, err := tx.Find(&store.Query{Table: "device_group_members", Columns: []store.Column{{Name: "group_id"}},
				Where: []store.Cond{{Column: "device_id", Op: store.Eq, Value: dev.ID}},
				Sort:  []store.Sort{{Column: store.Column{Name: "group_id"}}}, Limit: 9})
			var got []string
			for _, r := range rows {
				got = append(got, r[0].(string))
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if names, _ := tx.DeviceGroupNames(other.ID); len(names) != 1 {
				t.Error("another device's groups changed")
			}
			return err
		})
	}
	wantKind(t, s.Update(context.Background(), func(tx store.Tx) error { return tx.Relate(first, second, dev.ID, []string{"nowhere"}) }), model.InUse)
}

func deletedDevice(t *testing.T, d *Database) {
	s := d.Open(t)
	dev, tok := newDevice("a")
	l := &model.License{ID: newID(), Name: "l", Seats: 1}
	dev.LicenseID = &l.ID
	g := newGroup("g")
	insert(t, s, l, dev, tok, g, &model.DeviceGroupMember{DeviceID: dev.ID, GroupID: g.ID})
	wantKind(t, s.Update(context.Background(), func(tx store.Tx) error { return tx.Delete(l) }), model.InUse)
	update(t, s, func(tx store.Tx) error { return tx.Delete(dev) })
	view(t, s, func(tx store.ReadTx) error {
		wantKind(t, tx.Load(new(model.ClientToken), tok.ID), model.NotFound)
		n, err := tx.Count(&store.Query{Table: "device_group_members"})
		if n != 0 {
			t.Errorf("%d members of groups are left", n)
		}
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Delete(l) })
}
