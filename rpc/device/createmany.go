package device

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	maxDevices  = 100_000 // limit for one device/createMany
	devicesPart = 1000    // how many devices are inserted at once
)

var createManyAttrs = object.Declare(&object.Type{Name: "device/createMany", Of: []string{"device/createMany"}, Attrs: []object.Attr{
	{Name: "label", Kind: object.Text, Rule: model.CodeName, When: object.OnCreate, Required: true, Max: 200, Column: "-",
		About: "name of the devices' group; the devices are called label-001 and so on"},
	{Name: "quantity", Kind: object.Integer, When: object.OnCreate, Required: true, Min: 1, Max: maxDevices, Column: "-",
		About: "from 1 to 100,000"},
	{Name: "licenses", Kind: object.List, When: object.OnCreate, Column: "-", About: "ids of licenses; their seats are used in this order"},
	{Name: "csv", Kind: object.Boolean, When: object.OnCreate, Column: "-",
		About: "returns name, id, license and client token of each device"},
	{Name: "allowUnlicensed", Kind: object.Boolean, When: object.OnCreate, Column: "-",
		About: "make devices without a license if there are too few seats"},
}})

// CreateManyArgs are the parameters of device/createMany.
type CreateManyArgs struct {
	Attrs wire.Members `json:"attrs"`
}

// createdMany is the reply to device/createMany.
type createdMany struct {
	Total   int64  `json:"total"`
	GroupID string `json:"deviceGroup.id"`
	CSV     string `json:"csv,omitzero"`
}

// manyDevices is the state of a device/createMany.
type manyDevices struct {
	c          *dispatch.Call
	label      string
	licenses   []string
	csv        bool
	unlicensed bool
	tokens     []*NewToken // one for each device
}

// CreateMany creates many devices, each with its client token, and their group, all or nothing.
func (m *Device) CreateMany(r *http.Request, args *CreateManyArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	if c.Scope != nil {
		return model.Errorf(model.NotPermitted, "not permitted: the devices would have no owner in the caller's domains")
	}
	d, err := createManyAttrs.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	many := &manyDevices{c: c}
	many.label, _ = object.Given[string](d, "label")
	licenses, _ := object.Given[model.List](d, "licenses")
	many.licenses = licenses.Items()
	many.csv, _ = object.Given[bool](d, "csv")
	many.unlicensed, _ = object.Given[bool](d, "allowUnlicensed")
	quantity, _ := object.Given[int64](d, "quantity")
	if quantity > devicesPart {
		if err := c.AcquireLarge(r.Context()); err != nil {
			return err
		}
	}
	many.tokens = make([]*NewToken, quantity)
	for i := range many.tokens {
		if many.tokens[i], err = MakeToken(m.Server); err != nil {
			return err
		}
	}
	plan.Long = quantity > devicesPart
	plan.Update = func(tx store.Tx) (any, error) { return many.make(tx) }
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
	m.c.SetObject("devices", fmt.Sprintf("%d of group %s", n, group))
	return createdMany{int64(n), group, file.String()}, nil
}

// part creates the devices from start to end.
func (m *manyDevices) part(tx store.Tx, names []string, start, end int, group string, seats *[]taking, w *csv.Writer) error {
	devices := make([]model.Device, 0, end-start)
	tokens := make([]model.ClientToken, 0, end-start)
	members := make([]model.DeviceGroupMember, 0, end-start)
	for i := start; i < end; i++ {
		dev := model.Device{ID: m.c.NewID(), Name: names[i], NameFolded: model.Fold(names[i]), Status: model.Active,
			TokenID: m.tokens[i].Row.ID, DateCreated: m.c.Now, LastUpdated: m.c.Now}
		license := ""
		if len(*seats) > 0 {
			from := &(*seats)[0]
			dev.LicenseID, license = &from.license.ID, from.license.Name
			if from.n--; from.n == 0 {
				*seats = (*seats)[1:]
			}
		}
		devices = append(devices, dev)
		tokens = append(tokens, m.tokens[i].of(dev.ID, m.c.Now))
		members = append(members, model.DeviceGroupMember{DeviceID: dev.ID, GroupID: group})
		if m.csv {
			if err := w.Write([]string{plainCell(dev.Name), dev.ID, plainCell(license), string(m.tokens[i].Text)}); err != nil {
				return err
			}
		}
	}
	if _, err := tx.InsertMany(devices, false); err != nil {
		return DeviceType.ExistsError(err)
	}
	if _, err := tx.InsertMany(tokens, false); err != nil {
		return err
	}
	_, err := tx.InsertMany(members, false)
	return err
}

// plainCell returns a cell that a spreadsheet does not read as a formula.
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
		found, err := LicenseType.Find(m.c, tx, []store.Cond{store.ByID(id)})
		if err != nil {
			return nil, object.AtAttribute(err, fmt.Sprint("attrs.licenses.", i))
		}
		t := taking{}
		if err := tx.Load(&t.license, found); err != nil {
			return nil, err
		}
		t.n = min(n, t.license.FreeSeats(m.c.Now))
		if t.n == 0 {
			if n > 0 {
				why = t.license.NoSeat(m.c.Now)
			}
			continue
		}
		taken, err := tx.TakeSeats(t.license.ID, t.n, m.c.Now)
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
	e := model.AttrErrorf(model.NoSeat, "attrs.licenses", "%d of the devices get no seat: choose more licenses, or allow "+
		"devices without one", n)
	if why != nil {
		e.Msg += " (" + why.Msg + ")"
	}
	return nil, e
}

// group returns the id of the group with the label as name. If there is none, it is created.
func (m *manyDevices) group(tx store.Tx) (string, error) {
	g, err := tx.DeviceGroupByName(model.Fold(m.label))
	if !wire.NoSingleMatch(err) {
		return g.ID, err
	}
	g = model.DeviceGroup{ID: m.c.NewID(), Name: m.label, NameFolded: model.Fold(m.label)}
	return g.ID, tx.Insert(&g)
}
