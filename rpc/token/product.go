package token

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Product is the receiver of the methods for products.
type Product struct{ object.CRUD }

// ProductType declares the object product.
var ProductType = object.Declare(&object.Type{
	Name: "product", NotFound: model.ProductNoun, Limited: object.Reads, Row: func() any { return new(model.Product) },
	Keys: [][]string{{"manufacturerCode", "productCode"}}, ShownWhenAmbiguous: []string{"id", "manufacturerCode", "productCode"},
	UsedBy: []object.Use{{Rows: store.ProductTokens, Noun: "tokens"}},
	Check:  checkProduct,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true},
		{Name: "manufacturerCode", Kind: object.Text, Rule: model.CodeName, When: object.Always, Required: true, Max: 32, Indexed: true,
			About: "unique together with productCode"},
		{Name: "productCode", Kind: object.Text, Rule: model.CodeName, When: object.Always, Required: true, Max: 32},
		{Name: "algorithm", Kind: object.Enum, When: object.Always, Required: true, Values: []string{string(otp.HOTP), string(otp.TOTP)}},
		{Name: "digits", Kind: object.Integer, When: object.Always, Initial: int64(otp.DefaultDigits), Min: 6, Max: 8, About: "6 or 8"},
		{Name: "period", Kind: object.Integer, When: object.Always, Max: 86400,
			About: "seconds of a time step, TOTP only; 30 if not given"},
		{Name: "crypto", Kind: object.Enum, When: object.Always, Initial: string(otp.DefaultHash), Values: []string{string(otp.HmacSHA1), string(otp.HmacSHA256), string(otp.HmacSHA512)}},
		{Name: "kind", Kind: object.Enum, When: object.Always, Initial: model.Hardware, Values: []string{model.Hardware, model.Soft}},
		{Name: "autoWindow", Kind: object.Integer, When: object.Always, Max: otp.MaxWindow,
			About: "steps within which an OTP is accepted at once, for a token that was not used yet, or not for a long time"},
		{Name: "narrowWindow", Kind: object.Integer, When: object.Always, Initial: int64(model.DefaultNarrowWindow), Max: otp.MaxWindow,
			About: "the same for a token in use: steps before and after its drift; for counters twice as many plus one, ahead only"},
		{Name: "checkWindow", Kind: object.Integer, When: object.Always, Max: otp.MaxWindow,
			About: "steps within which a second, consecutive OTP is requested"},
		{Name: "manualWindow", Kind: object.Integer, When: object.Always, Max: otp.MaxWindow,
			About: "steps within which two OTPs synchronise"},
		{Name: "maxTokensPerUser", Kind: object.Integer, When: object.Always, About: "0 = any number"},
		{Name: "activation", Kind: object.Enum, When: object.Always, Initial: model.ActivateAuto, Values: []string{model.ActivateAuto, model.ActivateCode}},
		{Name: "activationCodeLength", Kind: object.Integer, When: object.Always, Initial: int64(8), Min: 6, Max: 32},
		{Name: "activationCodeHours", Kind: object.Integer, When: object.Always, Initial: int64(48), Max: 87600, About: "0 = no end"},
		{Name: "functions", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
	},
})

// Create creates a product.
func (m *Product) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	return m.CreateWith(r, args, plan, func(*object.Decoded) error { return nil },
		func(_ *dispatch.Call, _ store.Tx, d *object.Decoded, _ string, made jsontext.Value) (any, error) {
			var p model.Product // the defaults are not weak
			p.Algorithm, _ = object.Given[string](d, "algorithm")
			p.Period, _ = object.Given[int64](d, "period")
			p.AutoWindow, _ = object.Given[int64](d, "autoWindow")
			return wire.WithNotes(made, p.Weak()...), nil
		})
}

// checkProduct checks a product. It returns an error for a change of how tokens are checked, if a user of one of them may do
// something that the caller may not. With such a change the caller could make that user's token useless, or make more of its OTPs
// valid.
func checkProduct(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	p := row.(*model.Product)
	switch {
	case p.Algorithm == string(otp.HOTP):
		if p.Period != 0 && d.Has("period") {
			return model.AttrErrorf(model.Invalid, "attrs.period", "HOTP has no period")
		}
		p.Period = 0
	case !d.Has("period") && p.Period == 0:
		p.Period = otp.DefaultPeriod
	}
	if err := p.OTP().Check(); err != nil {
		return model.AttrErrorf(model.Invalid, "attrs", "%s", err)
	}
	if old == nil || !old.(*model.Product).SameOTP(p) {
		if err := people.CheckPeriod(c.Server, p.OTP()); err != nil {
			return err
		}
	}
	if old == nil {
		auto, check, manual := model.DefaultWindows(p.Algorithm, p.Kind)
		for name, w := range map[string]struct{ at, to *int64 }{
			"autoWindow": {&p.AutoWindow, &auto}, "checkWindow": {&p.CheckWindow, &check}, "manualWindow": {&p.ManualWindow, &manual}} {
			if !d.Has(name) {
				*w.at = *w.to
			}
		}
		return nil
	}
	q := old.(*model.Product)
	if !q.SameOTP(p) || q.Kind != p.Kind {
		used, err := tx.Exists(store.ProductTokens, p.ID)
		if err != nil {
			return err
		}
		if used {
			return model.Errorf(model.InUse, "product is still in use by tokens: algorithm, digits, period, crypto and "+
				"kind stay as they are")
		}
	}
	if q.SameRules(p) {
		return nil
	}
	return c.MayChangeProduct(tx, p.ID)
}
