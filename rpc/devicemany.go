package rpc

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

const (
	devicesMost = 100_000 // of one device/createMany
	devicesPart = 1000    // written at once
)

var createManyAttrs = declare(&object{name: "device/createMany", of: []string{"device/createMany"}, attrs: []attr{
	{name: "label", kind: text, rule: model.CodeName, when: onCreate, required: true, max: 200, column: "-", about: "of the devices, which are called label-001 and so on, and of their group"},
	{name: "quantity", kind: integer, when: onCreate, required: true, min: 1, max: devicesMost, column: "-", about: "from 1 to 100,000"},
	{name: "licenses", kind: list, when: onCreate, column: "-", about: "ids; their seats are used in this order"},
	{name: "csv", kind: boolean, when: onCreate, column: "-", about: "answers name, id, license and client token of each device"},
	{name: "allowUnlicensed", kind: boolean, when: onCreate, column: "-", about: "devices without a license where there are too few seats"},
}})

// CreateManyArgs are the parameters of device/createMany.
type CreateManyArgs struct {
	Attrs Members `json:"attrs"`
}

// createdMany is the reply of device/createMany.
type createdMany struct {
	Total   int64  `json:"total"`
	GroupID string `json:"group.id"`
	CSV     string `json:"csv,omitzero"`
}

// manyDevices is what device/createMany is asked for.
type manyDevices struct {
	c          *call
	label      string
	licenses   []string
	csv        bool
	unlicensed bool
	tokens     []*minted // one a device
}

// CreateMany makes many devices, each with its client token, and their group, all or nothing.
func (m *Device) CreateMany(r *http.Request, args *CreateManyArgs, plan *Plan) error {
	c := callOf(r.Context())
	if c.scope != nil {
		return model.Errorf(model.NotPermitted, "not permitted: the devices would have no owner in the caller's domains")
	}
	d, err := createManyAttrs.decode("attrs", args.Attrs, onCreate)
	if err != nil {
		return err
	}
	many := &manyDevices{c: c}
	many.label, _ = given[string](d, "label")
	licenses, _ := given[model.List](d, "licenses")
	many.licenses = licenses.Items()
	many.csv, _ = given[bool](d, "csv")
	many.unlicensed, _ = given[bool](d, "allowUnlicensed")
	quantity, _ := given[int64](d, "quantity")
	if quantity > devicesPart {
		if err := c.takeTurn(r.Context()); err != nil {
			return err
		}
	}
	many.tokens = make([]*minted, quantity)
	for i := range many.tokens {
		if many.tokens[i], err = m.s.mint(); err != nil {
			return err
		}
	}
	plan.long = quantity > devicesPart
	plan.update = func(tx store.Tx) (any, error) { return many.make(tx) }
	return nil
}

func (m *manyDevices) make(tx store.Tx) (any, error) {
	n := len(m.tokens)
	seats, err := m.seats(tx, int64(n))
	if err != nil {
		return nil, err
	}
	group, err := m.group(tx)
	if err != nil {
		return nil, err
	}
	taken, err := tx.DeviceNames(model.Fold(m.label + "-"))
	if err != nil {
		return nil, err
	}
	isTaken := make(map[string]bool, len(taken))
	for _, name := range taken {
		isTaken[name] = true
	}
	names := model.NumberedNames(m.label, n, func(folded string) bool { return isTaken[folded] })
	var file bytes.Buffer
	w := csv.NewWriter(&file) // RFC 4180
	w.UseCRLF = true
	if m.csv {
		w.Write([]string{"name", "id", "license", "clientToken"})
	}
	for start := 0; start < n; start += devicesPart {
		if err := m.part(tx, names, start, min(start+devicesPart, n), group, &seats, w); err != nil {
			return nil, err
		}
	}
	if m.csv {
		w.Flush()
		if err := w.Error(); err != nil {
			return nil, err
		}
	}
	m.c.touched("devices", fmt.Sprintf("%d of group %s", n, group))
	return createdMany{int64(n), group, file.String()}, nil
}

// part makes the devices from start to end.
func (m *manyDevices) part(tx store.Tx, names []string, start, end int, group string, seats *[]taking, w *csv.Writer) error {
	devices := make([]model.Device, 0, end-start)
	tokens := make([]model.ClientToken, 0, end-start)
	members := make([]model.GroupMember, 0, end-start)
	for i := start; i < end; i++ {
		dev := model.Device{ID: m.c.newID(), Name: names[i], NameFolded: model.Fold(names[i]), Status: model.Active,
			TokenID: m.tokens[i].row.ID, DateCreated: m.c.now, LastUpdated: m.c.now}
		license := ""
		if len(*seats) > 0 {
			from := &(*seats)[0]
			dev.LicenseID, license = &from.license.ID, from.license.Name
			if from.n--; from.n == 0 {
				*seats = (*seats)[1:]
			}
		}
		devices = append(devices, dev)
		tokens = append(tokens, m.tokens[i].of(dev.ID, m.c.now))
		members = append(members, model.GroupMember{DeviceID: dev.ID, GroupID: group})
		if m.csv {
			if err := w.Write([]string{plainCell(dev.Name), dev.ID, plainCell(license), string(m.tokens[i].text)}); err != nil {
				return err
			}
		}
	}
	if _, err := tx.InsertMany(devices, false); err != nil {
		return deviceObject.taken(err)
	}
	if _, err := tx.InsertMany(tokens, false); err != nil {
		return err
	}
	_, err := tx.InsertMany(members, false)
	return err
}

// plainCell keeps a spreadsheet from running a cell.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// taking is how many seats of a license are taken.
type taking struct {
	license model.License
	n       int64
}

// seats takes up to n seats of the licenses, in their order.
func (m *manyDevices) seats(tx store.Tx, n int64) (all []taking, err error) {
	var why *model.Error
	for i, id := range m.licenses {
		found, err := licenseObject.find(m.c, tx, []store.Cond{store.ByID(id)})
		if err != nil {
			return nil, placed(err, fmt.Sprint("attrs.licenses.", i))
		}
		t := taking{}
		if err := tx.Load(&t.license, found); err != nil {
			return nil, err
		}
		t.n = min(n, t.license.FreeSeats(m.c.now))
		if t.n == 0 {
			if n > 0 {
				why = t.license.NoSeat(m.c.now)
			}
			continue
		}
		taken, err := tx.TakeSeats(t.license.ID, t.n, m.c.now)
		if err == nil && !taken {
			err = fmt.Errorf("license %s has fewer seats than it says", t.license.ID)
		}
		if err != nil {
			return nil, err
		}
		n -= t.n
		all = append(all, t)
	}
	if n == 0 || m.unlicensed {
		return all, nil
	}
	e := model.AttrErrorf(model.NoSeat, "attrs.licenses", "no seat is left for %d of the devices: choose more licenses, or allow devices without one", n)
	if why != nil {
		e.Msg += " (" + why.Msg + ")"
	}
	return nil, e
}

// group gives the id of the label's group, which is made where there is none.
func (m *manyDevices) group(tx store.Tx) (string, error) {
	g, err := tx.GroupByName(model.Fold(m.label))
	if !unknown(err) {
		return g.ID, err
	}
	g = model.Group{ID: m.c.newID(), Name: m.label, NameFolded: model.Fold(m.label)}
	return g.ID, tx.Insert(&g)
}
