package rpc

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// InstallationCode has the methods of installation codes.
type InstallationCode struct {
	crud
	guesses *guesses
}

// installationReceivers are those of the methods of this room.
func installationReceivers(s *core, devices *Device) map[string]any {
	return map[string]any{"InstallationCode": &InstallationCode{crud{s, installationObject}, newGuesses()}, "Device": &installed{devices}}
}

// installed has the methods of devices, of which one makes installation codes.
type installed struct{ *Device }

var installationObject = declare(&object{
	name: "installationCode", missing: model.InstallationCodeNoun, row: func() any { return new(model.InstallationCode) },
	keys: [][]string{{"code"}}, naming: []string{"id", "description"},
	prepare: prepareCode, check: checkCode, wrote: wroteCode,
	attrs: []attr{
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "code", kind: text, when: always, max: 64, from: []string{"id", "code"}, reveals: true,
			about: "6 to 64 of A-Z a-z 0-9 - _; a random one if not given; unique, with O as 0, I and L as 1, and without case and hyphens; null to those who may not see it",
			derive: func(c *call, from store.Row) (any, error) {
				id := asText(from[0])
				text, err := c.s.keys.Unseal(store.CodePlace(id), from[1].([]byte))
				c.shown = append(c.shown, "installation code "+id)
				return string(text), err
			}},
		{name: "expires", kind: date, ends: true, when: always, about: "its second still counts; a day alone is its end; none = never"},
		{name: "usageLimit", kind: integer, when: always, min: 1, max: 1_000_000_000, none: true, about: "none = any number of times"},
		{name: "usageLimitDelay", kind: integer, when: always, max: 10 * 365 * 86400, about: "seconds for which it stays usable once the limit is reached; 0 = none"},
		{name: "action", kind: enum, when: always, required: true, values: []string{model.CreateAccountAndDevice, model.CreateDevice, model.UseExistingDevice}},
		{name: "usernamePrefix", kind: text, rule: model.CodeName, when: always, max: 64, about: "of the accounts that CREATE_ACCOUNT_AND_DEVICE makes: a number comes behind it"},
		{name: "domain", kind: ref, when: always, object: "domain", indexed: true, about: "of these accounts"},
		{name: "user", kind: ref, when: always, object: "user", indexed: true, about: "the account whose devices CREATE_DEVICE makes"},
		{name: "device", kind: ref, when: always, object: "device", indexed: true, about: "what USE_EXISTING_DEVICE installs"},
		{name: "license", kind: ref, when: always, object: "license", indexed: true, about: "of the devices it makes"},
		{name: "timesUsed", kind: integer},
		{name: "lastUsed", kind: date},
		{name: "state", kind: text, from: []string{"enabled", "expires", "usageLimit", "usageLimitDelay", "timesUsed", "limitReached"},
			about: "active, grace (used up, and still usable), exhausted, expired or disabled", derive: codeState},
		{name: "enabled", kind: boolean, when: always, initial: true},
		{name: "generation", kind: integer, about: "counts its texts"},
		{name: "dateCreated", kind: date},
		{name: "lastUpdated", kind: date},
	},
	colls: []collection{
		{name: "groups", alias: "group", when: always, object: "group", order: "groupId", steps: store.CodeGroups, about: "of the devices it makes"},
	},
})

func codeState(c *call, from store.Row) (any, error) {
	code := model.InstallationCode{Expires: model.Time(from[1].(int64)), UsageLimit: from[2].(int64), UsageLimitDelay: from[3].(int64),
		TimesUsed: from[4].(int64), LimitReached: model.Time(from[5].(int64))}
	code.Enabled, _ = from[0].(bool)
	return code.State(c.now), nil
}

// codeIndex gives what an installation code is found by without being readable.
func (s *core) codeIndex(text string) []byte {
	return s.keys.MAC(store.CodePurpose, []byte(model.NormalCode(text)))
}

// codeIndexes gives what it may be found by while keys are rotated.
func (s *core) codeIndexes(text string) [][]byte {
	return s.keys.MACs(store.CodePurpose, []byte(model.NormalCode(text)))
}

// setCode puts a text in place as an installation code's.
func (s *core) setCode(code *model.InstallationCode, text string) {
	index := s.codeIndex(text)
	if string(index) != string(code.CodeIndex) {
		code.Generation++ // the same in another spelling ends no printed code
	}
	code.Code, code.CodeIndex = s.keys.Seal(store.CodePlace(code.ID), []byte(text)), index
}

// codeGroup is how many characters of a random code stand together.
const codeGroup = 5

// randomCode makes an installation code: two groups of base32 (Crockford's), 50 random bits.
func randomCode(s *core) (string, error) {
	code, err := s.newCode(2 * codeGroup)
	if err != nil {
		return "", err
	}
	return code[:codeGroup] + "-" + code[codeGroup:], nil
}

// prepareCode checks the code that was given, or makes one, in case it is for a new object.
func prepareCode(_ context.Context, c *call, d *decoded) (err error) {
	text, given := given[string](d, "code")
	text = model.Pasted(text)
	if given && (text != "" || !d.creating) {
		d.extra = text
		return model.CheckCode(d.place+".code", text)
	}
	if d.creating {
		d.extra, err = randomCode(c.s)
	}
	return err
}

func checkCode(c *call, _ store.Tx, d *decoded, old, row any) error {
	code := row.(*model.InstallationCode)
	if err := code.Fits(d.place, d.has); err != nil {
		return err
	}
	if text, ok := d.extra.(string); ok {
		c.s.setCode(code, text)
	}
	if err := c.mayInstall(old, code); err != nil {
		return err
	}
	if old != nil {
		code.LimitChanged(c.now)
	}
	return nil
}

// installs says what a caller must be permitted to do himself to have a code do it.
var installs = map[string][]string{
	model.CreateAccountAndDevice: {"user/create", "device/create"},
	model.CreateDevice:           {"device/create"},
	model.UseExistingDevice:      {"device/generateToken"},
}

// mayInstall refuses a code, or a new text or purpose of one, by which a caller could do what he may not: whoever knows a
// code can redeem it.
func (c *call) mayInstall(old any, code *model.InstallationCode) error {
	if old != nil {
		if same := old.(*model.InstallationCode); same.Action == code.Action && string(same.CodeIndex) == string(code.CodeIndex) &&
			equal(same.UserID, code.UserID) && equal(same.DeviceID, code.DeviceID) && equal(same.DomainID, code.DomainID) {
			return nil
		}
	}
	for _, path := range installs[code.Action] {
		if err := c.need(path); err != nil {
			return err
		}
	}
	return nil
}

// wroteCode takes the groups from a code that makes no device.
func wroteCode(_ *call, tx store.Tx, _ *decoded, _, row any) error {
	if code := row.(*model.InstallationCode); code.Action == model.UseExistingDevice {
		return tx.Relate(store.CodeGroups[0], store.CodeGroups[1], code.ID, nil)
	}
	return nil
}

// GenerateCodeArgs are the parameters of installationCode/generateCode: none.
type GenerateCodeArgs struct{}

// codeShown is the reply that carries an installation code.
type codeShown struct {
	Code string `json:"code"`
}

// GenerateCode answers a random code, for an editor; nothing is stored.
func (m *InstallationCode) GenerateCode(r *http.Request, _ *GenerateCodeArgs, plan *Plan) error {
	code, err := randomCode(m.s)
	plan.view = func(store.ReadTx) (any, error) { return codeShown{code}, nil }
	return err
}

// usableCode reads an installation code that can still be used, and its text.
func (c *call) usableCode(tx store.Tx, id string) (*model.InstallationCode, string, error) {
	var code model.InstallationCode
	if err := tx.Load(&code, id); err != nil {
		return nil, "", err
	}
	c.touched(installationObject.noun, id)
	if err := code.Refusal(c.now); err != nil {
		return nil, "", err
	}
	if err := available(tx, &code); err != nil {
		return nil, "", err
	}
	text, err := c.s.keys.Unseal(store.CodePlace(id), code.Code)
	return &code, string(text), err
}

// codePath is what the QR code of an installation code leads to.
const codePath = "/i"

// codeURL is what a phone's camera opens. The code stands in the fragment, which no browser sends.
func (s *core) codeURL(code string) string {
	return strings.TrimRight(s.cfg.PublicURL, "/") + codePath + "#c=" + code
}

// GetQRCode answers the QR code of a code that can still be used: a PNG in base64.
func (m *InstallationCode) GetQRCode(r *http.Request, args *DeleteArgs, plan *Plan) error {
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		_, text, err := c.usableCode(tx, id)
		if err != nil {
			return nil, err
		}
		image, err := qrPNG(m.s.codeURL(text))
		return base64.StdEncoding.EncodeToString(image), err
	})
}

// Send sends a code to its account, or its device's owner.
func (m *InstallationCode) Send(r *http.Request, args *SendArgs, plan *Plan) error {
	channel, err := args.channel()
	if err != nil {
		return err
	}
	return m.upon(r, &args.Selection, plan, func(c *call, tx store.Tx, id string) (any, error) {
		code, text, err := c.usableCode(tx, id)
		if err != nil {
			return nil, err
		}
		to := code.UserID
		if code.DeviceID != nil {
			var dev model.Device
			if err := tx.Load(&dev, *code.DeviceID); err != nil {
				return nil, err
			}
			to = dev.UserID
		}
		if to == nil {
			return nil, model.Errorf(model.Invalid, "the installation code is for no account, nor for a device with an owner: there is nobody to send it to")
		}
		var user model.User
		if err := tx.Load(&user, *to); err != nil {
			return nil, err
		}
		return nil, c.sendCode(tx, code, text, &user, channel)
	})
}

// sendCode queues a message with an installation code.
func (c *call) sendCode(tx store.Tx, code *model.InstallationCode, text string, to *model.User, channel string) error {
	values := map[string]string{"code": text, "url": c.s.codeURL(text), "expires": until(code.Ends(c.now)), "device": ""}
	if code.DeviceID != nil {
		var dev model.Device
		if err := tx.Load(&dev, *code.DeviceID); err != nil {
			return err
		}
		values["device"] = dev.Name
	}
	return c.send(tx, to, channel, model.InstallationCodeMessage, values, code.Ends(c.now))
}
