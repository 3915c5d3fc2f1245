package installation

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/device"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/limit"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

const (
	minNonce = 16
	maxNonce = 128

	accountsHour       = 3600_000 // milliseconds
	accountsRetryAfter = 600      // seconds
)

// RedeemArgs are the parameters of installationCode/redeem.
type RedeemArgs struct {
	Code        wire.Text    `json:"code"`
	Nonce       wire.Text    `json:"nonce"`
	Device      wire.Members `json:"device"`
	User        wire.Members `json:"user"`
	ClientToken wire.Text    `json:"clientToken"`
}

// redeemed is the reply to installationCode/redeem.
type redeemed struct {
	DeviceID    string  `json:"device.id"`
	UserID      *string `json:"user.id,omitzero"`
	ClientToken string  `json:"clientToken"`
}

// The attributes that a redeeming device may set, of itself and of its user.
var (
	redeemDevice = []string{"name", "platform", "hardwareId"}
	redeemUser   = []string{"firstName", "lastName", "email", "mobile"}
)

// redemption is the state of redeeming one installation code.
type redemption struct {
	c         *dispatch.Call
	indexes   [][]byte // keyed hashes of the code, under each key
	nonce     []byte   // hash of the nonce
	device    *object.Decoded
	user      *object.Decoded
	installed string // public id of the client token of a device that was installed earlier; "" if none was sent
	hash      []byte // hash of that token's secret
	token     *device.NewToken
	code      model.InstallationCode
	newUser   bool
}

// Redeem registers a device that has an installation code.
func (m *InstallationCode) Redeem(r *http.Request, args *RedeemArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	d := &redemption{c: c}
	if args.Code == "" {
		return model.AttrErrorf(model.Missing, "code", "is required")
	}
	if n := len(args.Nonce); n < minNonce || n > maxNonce {
		return model.AttrErrorf(model.Invalid, "nonce", "must be %d to %d random characters, the same again when the "+
			"request is repeated", minNonce, maxNonce)
	}
	var err error
	if d.device, err = said(device.DeviceType, "device", args.Device, redeemDevice); err != nil {
		return err
	}
	if d.user, err = said(people.UserType, "user", args.User, redeemUser); err != nil {
		return err
	}
	if args.ClientToken != "" {
		var ok bool
		if d.installed, d.hash, ok = model.ParseClientToken(string(args.ClientToken)); !ok {
			return model.ErrMalformedToken
		}
	}
	if d.token, err = device.MakeToken(m.Server); err != nil {
		return err
	}
	nonce := sha256.Sum256([]byte(args.Nonce))
	d.indexes, d.nonce = codeIndexes(m.Server, string(args.Code)), nonce[:]
	if err := m.guesses.take(r.Context(), c); err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		d.newUser = false
		return d.run(tx)
	}
	return nil
}

// said decodes what a device sends about an object. Only the attributes in may are allowed.
func said(o *object.Type, place string, m wire.Members, may []string) (*object.Decoded, error) {
	for _, mem := range m {
		if !slices.Contains(may, mem.Name) {
			return nil, model.AttrErrorf(model.UnknownAttr, place+"."+mem.Name, "is not one of %s", strings.Join(may, ", "))
		}
	}
	// Use the rules for a change, in which no attribute is required. Which ones are required depends on the code.
	return o.Decode(place, m, object.OnSet)
}

// findCode returns the installation code with that text, given by its keyed hashes.
func findCode(c *dispatch.Call, tx store.ReadTx, indexes [][]byte) (model.InstallationCode, error) {
	code, err := tx.CodeByIndex(indexes...)
	if wire.NoSingleMatch(err) {
		return model.InstallationCode{}, model.ErrUnknownCode
	}
	c.SetObject(CodeType.Noun, code.ID)
	return code, err
}

// errUncounted is the error for a code that is usable but was not counted, which must not happen.
var errUncounted = errors.New("a use of an installation code was not counted")

// run redeems the code, or changes nothing. If a step fails after the use was counted, the count is undone too.
func (d *redemption) run(tx store.Tx) (any, error) {
	c := d.c
	code, refused := findCode(c, tx, d.indexes)
	if refused != nil && refused != model.ErrUnknownCode {
		return nil, refused
	}
	d.code = code
	// An unknown code takes the same path as a known one, so that both take the same time.
	before, err := tx.UseByNonce(d.nonce)
	if err != nil {
		return nil, err
	}
	if before != nil && refused == nil {
		return d.again(tx, before)
	}
	counted, err := tx.UseCode(d.code.ID, c.Now)
	if err != nil {
		return nil, err
	}
	if !counted {
		return nil, cmp.Or(refused, d.code.Refusal(c.Now), errUncounted)
	}
	dev, err := d.act(tx)
	if err != nil {
		return nil, err
	}
	hardwareID, _ := object.Given[string](d.device, "hardwareId")
	use := model.InstallationUse{ID: c.NewID(), CodeID: d.code.ID, Generation: d.code.Generation, Time: c.Now, DeviceID: dev.ID, UserID: dev.UserID,
		NewUser: d.newUser, TokenID: d.token.Row.ID, NonceHash: d.nonce, HardwareID: hardwareID}
	if err := tx.Insert(&use); err != nil {
		return nil, err
	}
	return d.reply(dev), nil
}

func (d *redemption) reply(dev *model.Device) redeemed {
	d.c.SetObject(CodeType.Noun, d.code.ID+" "+device.DeviceType.Noun+" "+dev.ID)
	return redeemed{dev.ID, dev.UserID, string(d.token.Text)}
}

// again replies to a repeated redemption. The caller did not get the first reply, so it has never used the token.
func (d *redemption) again(tx store.Tx, use *model.InstallationUse) (any, error) {
	c := d.c
	done := model.Errorf(model.Installed, "the installation was completed already: begin a new one with another nonce")
	hardwareID, _ := object.Given[string](d.device, "hardwareId")
	if use.CodeID != d.code.ID || use.HardwareID != hardwareID || c.Now-use.Time > model.ReplayWithin || !d.code.Enabled {
		return nil, done
	}
	dev, token, err := device.LoadDevice(c, tx, use.DeviceID)
	switch {
	case wire.NoSingleMatch(err):
		return nil, done
	case err != nil:
		return nil, err
	case dev.TokenID != use.TokenID || token.State != model.Issued:
		return nil, done
	}
	if err := device.Renew(c, tx, dev, token, d.token); err != nil {
		return nil, err
	}
	use.TokenID = dev.TokenID
	return d.reply(dev), tx.Save(use)
}

// act carries out the code's action and returns the device.
func (d *redemption) act(tx store.Tx) (*model.Device, error) {
	if err := available(tx, &d.code); err != nil {
		return nil, err
	}
	switch d.code.Action {
	case model.UseExistingDevice:
		return d.existing(tx)
	case model.CreateDevice:
		return d.newDevice(tx, d.code.UserID)
	}
	user, err := d.account(tx)
	if err != nil {
		return nil, err
	}
	return d.newDevice(tx, &user)
}

// existing gives the code's device a new client token.
func (d *redemption) existing(tx store.Tx) (*model.Device, error) {
	dev, old, err := device.LoadDevice(d.c, tx, *d.code.DeviceID)
	if err != nil {
		return nil, err
	}
	name := dev.Name
	if err := d.device.Into(d.c, tx, dev); err != nil {
		return nil, err
	}
	dev.Name, dev.NameFolded = name, model.Fold(name) // keep the name of the device; ignore what the machine sends
	return dev, device.Renew(d.c, tx, dev, old, d.token)
}

// newDevice makes a device for an account.
func (d *redemption) newDevice(tx store.Tx, userID *string) (*model.Device, error) {
	c := d.c
	dev := &model.Device{ID: c.NewID(), Status: model.Active, UserID: userID, LicenseID: d.code.LicenseID, DateCreated: c.Now, LastUpdated: c.Now}
	if err := d.device.Into(c, tx, dev); err != nil {
		return nil, err
	}
	if dev.Name == "" {
		return nil, model.AttrErrorf(model.Missing, "device.name", "is required")
	}
	var err error
	if dev.Name, err = freeName(tx, dev.Name); err != nil {
		return nil, err
	}
	dev.NameFolded = model.Fold(dev.Name)
	made := *d.device
	made.Extra = d.token
	if err := (object.CRUD{Server: c.Server, Type: device.DeviceType}).Write(c, tx, &made, nil, dev); err != nil {
		return nil, err
	}
	groups, err := tx.DeviceGroupsOfCode(d.code.ID)
	if err != nil {
		return nil, err
	}
	of := device.DeviceType.Collection("groups", false)
	return dev, tx.Relate(of.Steps[0], of.Steps[1], dev.ID, groups)
}

// freeName returns name if no device has it. Otherwise it returns a free name of name-2, name-3 and so on whose predecessor is
// taken. It is the first free one if no such device was deleted. It finds it with few look-ups, however many there are.
func freeName(tx store.Tx, name string) (string, error) {
	taken := func(n int) (string, bool, error) {
		free := model.NumberedName(name, n)
		is, err := tx.DeviceNamed(free)
		return free, is, err
	}
	low, high := 0, 1 // the name with number low is taken; the one with number high may be free
	for {
		free, is, err := taken(high)
		if err != nil || !is && high == low+1 {
			return free, err
		}
		switch {
		case !is: // the result is between them
			middle := (low + high) / 2
			if _, is, err = taken(middle); err != nil {
				return "", err
			} else if is {
				low = middle
			} else {
				high = middle
			}
		default:
			low, high = high, 2*high
		}
	}
}

// account returns the id of the account for a code that makes accounts. It is a new account or, if the caller sent the client
// token of a device that this code installed earlier, that device's account.
func (d *redemption) account(tx store.Tx) (string, error) {
	c := d.c
	if d.installed != "" {
		p, err := device.CheckToken(tx, d.installed, d.hash)
		if err != nil {
			return "", err
		}
		use, err := tx.InstalledBy(d.code.ID, p.DeviceID)
		if err != nil {
			return "", err
		}
		var dev model.Device
		if err := tx.Load(&dev, p.DeviceID); err != nil {
			return "", err
		}
		if use == nil || dev.UserID == nil {
			return "", model.ErrClientToken
		}
		// The code may have had another action or domain when it installed that device.
		var user model.User
		made, err := tx.MadeAccount(d.code.ID, *dev.UserID)
		if err == nil {
			err = tx.Load(&user, *dev.UserID)
		}
		if err == nil && (!made || user.DomainID != *d.code.DomainID) {
			err = model.ErrClientToken
		}
		return user.ID, err
	}
	made, err := tx.AccountsMade(d.code.ID, c.Now-accountsHour)
	if err != nil {
		return "", err
	}
	if made >= int64(c.Server.Config.CodeAccounts) {
		e := model.Errorf(model.TooMany, "too many requests: the installation code has made %d accounts within the hour", made)
		e.Detail = limit.RetryDetail{RetryAfter: accountsRetryAfter}
		return "", e
	}
	user := &model.User{ID: c.NewID(), DomainID: *d.code.DomainID, Status: model.Active}
	if err := d.user.Into(c, tx, user); err != nil {
		return "", err
	}
	if err := d.nameAccount(tx, user); err != nil {
		return "", err
	}
	d.newUser = true
	return user.ID, (object.CRUD{Server: c.Server, Type: people.UserType}).Write(c, tx, d.user, nil, user)
}

// nameAccount gives a new account the next login name of the code that is free and is not a name of an administrator. If the
// e-mail address already means another user, it is left empty, because otherwise it would find neither of them. Only the
// redeeming person claims that the address is theirs.
func (d *redemption) nameAccount(tx store.Tx, user *model.User) error {
	administrators, err := caller.NamesOf(tx, func(model.List) bool { return true })
	if err != nil {
		return err
	}
	if user.EmailFolded != "" {
		taken, err := tx.Exists(store.UsersByEmail, user.EmailFolded)
		if err == nil && !taken {
			taken, err = administrators.EmailTaken(tx, user)
		}
		if err != nil {
			return err
		}
		if taken {
			user.Email, user.EmailFolded = "", ""
		}
	}
	for {
		if user.LoginName, err = tx.NewUsername(user.DomainID, d.code.UsernamePrefix); err != nil {
			return err
		}
		user.LoginNameFolded = model.Fold(user.LoginName)
		if taken, err := administrators.LoginTaken(tx, user); err != nil || !taken {
			return err
		}
	}
}
