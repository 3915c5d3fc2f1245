package storetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var installationCases = []contractCase{
	{"installation/a limit is never exceeded", useRace},
	{"installation/which uses are counted", countedUses},
	{"installation/uses", foundUses},
	{"installation/user names", usernames},
	{"installation/what a deletion takes along", deletedCode},
}

func newCode(action string) *model.InstallationCode {
	id := newID()
	return &model.InstallationCode{ID: id, Code: []byte("sealed"), CodeIndex: []byte(id), Action: action, Enabled: true}
}

func newUse(code *model.InstallationCode, deviceID string, at model.Time) *model.InstallationUse {
	id := newID()
	return &model.InstallationUse{ID: id, CodeID: code.ID, Time: at, DeviceID: deviceID, NonceHash: []byte(id)}
}

func useRace(t *testing.T, d *Database) {
	stores := []store.Store{d.Open(t), d.Open(t)}
	code := newCode(model.CreateDevice)
	code.UsageLimit = 10
	insert(t, stores[0], code)
	var counted atomic.Int64
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			var ok bool
			err := stores[i%2].Update(context.Background(), func(tx store.Tx) (err error) {
				ok, err = tx.UseCode(code.ID, model.Time(i+1))
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if ok {
				counted.Add(1)
			}
		})
	}
	group.Wait()
	view(t, stores[1], func(tx store.ReadTx) error {
		var now model.InstallationCode
		err := tx.Load(&now, code.ID)
		if counted.Load() != 10 || now.TimesUsed != 10 || now.LimitReached == 0 || now.LastUsed == 0 {
			t.Errorf("%d were counted of 10: %+v", counted.Load(), now)
		}
		return err
	})
}

func countedUses(t *testing.T, d *Database) {
	s := d.Open(t)
	for i, c := range []struct {
		enabled                  bool
		limit, used, delay       int64
		expires, reached, at     model.Time
		want                     bool
		wantUsed                 int64
		wantReached, wantLastUse model.Time
	}{
		{true, 0, 5, 0, 0, 0, 7000, true, 6, 0, 7000},
		{false, 0, 5, 0, 0, 0, 7000, false, 5, 0, 0},
		{true, 0, 0, 0, 7000, 0, 7999, true, 1, 0, 7999},
		{true, 0, 0, 0, 7999, 0, 8000, false, 0, 0, 0},
		{true, 3, 1, 0, 0, 0, 7000, true, 2, 0, 7000},
		{true, 3, 2, 0, 0, 0, 7500, true, 3, 7500, 7500},
		{true, 3, 3, 0, 0, 1000, 7000, false, 3, 1000, 0},
		{true, 3, 3, 6, 0, 1500, 7999, true, 4, 1500, 7999},
		{true, 3, 4, 6, 0, 1500, 8000, false, 4, 1500, 0},
		{true, 3, 4, 6, 2000, 1500, 3000, false, 4, 1500, 0}, // expires ends the delay early
	} {
		code := newCode(model.CreateDevice)
		code.Enabled, code.UsageLimit, code.TimesUsed, code.UsageLimitDelay, code.Expires, code.LimitReached = c.enabled, c.limit, c.used, c.delay, c.expires, c.reached
		insert(t, s, code)
		usable := code.Refusal(c.at) == nil
		update(t, s, func(tx store.Tx) error {
			ok, err := tx.UseCode(code.ID, c.at)
			if ok != c.want || usable != c.want {
				t.Errorf("%d: counted %v; its state says %v", i, ok, usable)
			}
			return err
		})
		view(t, s, func(tx store.ReadTx) error {
			var now model.InstallationCode
			err := tx.Load(&now, code.ID)
			if now.TimesUsed != c.wantUsed || now.LimitReached != c.wantReached || now.LastUsed != c.wantLastUse {
				t.Errorf("%d: %+v", i, now)
			}
			return err
		})
	}
	update(t, s, func(tx store.Tx) error {
		ok, err := tx.UseCode("nowhere", 1)
		if ok {
			t.Error("a use of no code")
		}
		return err
	})
}

func foundUses(t *testing.T, d *Database) {
	s := d.Open(t)
	code, other := newCode(model.CreateDevice), newCode(model.CreateDevice)
	one, two, three := newUse(code, "device-1", 10), newUse(code, "device-2", 20), newUse(other, "device-1", 20)
	two.NewUser, three.NewUser = true, true
	insert(t, s, code, other, one, two, three)
	view(t, s, func(tx store.ReadTx) error {
		if found, err := tx.CodeByIndex(code.CodeIndex); err != nil || found.ID != code.ID {
			t.Error(found, err)
		}
		_, missed := tx.CodeByIndex([]byte("nothing"))
		wantKind(t, missed, model.NotFound)
		if found, err := tx.UseByNonce(two.NonceHash); err != nil || found == nil || found.ID != two.ID {
			t.Error(found, err)
		}
		if found, err := tx.UseByNonce([]byte("nothing")); err != nil || found != nil {
			t.Error(found, err)
		}
		if found, err := tx.InstalledBy(other.ID, "device-1"); err != nil || found == nil || found.ID != three.ID {
			t.Error(found, err)
		}
		if found, err := tx.InstalledBy(other.ID, "device-2"); err != nil || found != nil {
			t.Error(found, err)
		}
		for since, want := range map[model.Time]int64{0: 1, 19: 1, 20: 0} {
			if n, err := tx.AccountsMade(code.ID, since); err != nil || n != want {
				t.Errorf("%d accounts since %d: %v", n, since, err)
			}
		}
		return nil
	})
	twice := newUse(other, "device-3", 1)
	twice.NonceHash = one.NonceHash
	wantKind(t, s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(twice) }), model.Exists)
	same := newCode(model.CreateDevice)
	same.CodeIndex = code.CodeIndex
	wantKind(t, s.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(same) }), model.Exists)
}

func usernames(t *testing.T, d *Database) {
	s := d.Open(t)
	w := newWorld(t, s)
	taken := newUser(w.domain)
	taken.LoginName, taken.LoginNameFolded = "GUEST2", "guest2"
	insert(t, s, taken)
	elsewhere := newDomain()
	insert(t, s, elsewhere)
	var got []string
	for _, c := range []struct{ domain, prefix string }{{w.domain.ID, "Guest"}, {w.domain.ID, "guest"}, {w.domain.ID, "other"}, {elsewhere.ID, "Guest"}, {w.domain.ID, "Guest"}} {
		update(t, s, func(tx store.Tx) error {
			name, err := tx.NewUsername(c.domain, c.prefix)
			got = append(got, name)
			return err
		})
	}
	// A name from a transaction that was rolled back was not given.
	s.Update(context.Background(), func(tx store.Tx) error {
		tx.NewUsername(w.domain.ID, "Guest")
		return context.Canceled
	})
	update(t, s, func(tx store.Tx) error {
		name, err := tx.NewUsername(w.domain.ID, "Guest")
		got = append(got, name)
		return err
	})
	if want := []string{"Guest1", "guest3", "other1", "Guest1", "Guest4", "Guest5"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func deletedCode(t *testing.T, d *Database) {
	s := d.Open(t)
	dev, tok := newDevice("a")
	code := newCode(model.UseExistingDevice)
	code.DeviceID = &dev.ID
	use := newUse(code, dev.ID, 1)
	g := newGroup("g")
	insert(t, s, dev, tok, code, use, g)
	groups := func(want ...string) {
		t.Helper()
		view(t, s, func(tx store.ReadTx) error {
			got, err := tx.DeviceGroupsOfCode(code.ID)
			if !slices.Equal(got, want) {
				t.Errorf("groups %v, not %v", got, want)
			}
			return err
		})
	}
	update(t, s, func(tx store.Tx) error {
		return tx.Relate(store.Step{From: "id", Table: "installation_code_groups", To: "code_id"}, store.Step{From: "group_id", Table: "device_groups", To: "id"}, code.ID, []string{g.ID})
	})
	groups(g.ID)
	update(t, s, func(tx store.Tx) error { return tx.Delete(g) })
	groups()
	update(t, s, func(tx store.Tx) error { return tx.Delete(dev) })
	view(t, s, func(tx store.ReadTx) error {
		var now model.InstallationCode
		err := tx.Load(&now, code.ID)
		if now.DeviceID != nil {
			t.Error("the code keeps a device that is gone")
		}
		found, _ := tx.UseByNonce(use.NonceHash)
		if found == nil || found.DeviceID != dev.ID {
			t.Error("the use is gone with its device")
		}
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Delete(code) })
	view(t, s, func(tx store.ReadTx) error {
		found, err := tx.UseByNonce(use.NonceHash)
		if found != nil {
			t.Error("a use without its code")
		}
		return err
	})
}
