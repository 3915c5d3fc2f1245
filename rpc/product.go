package rpc

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
)

// Product has the methods of products.
type Product struct{ crud }

var productObject = declare(&object{
	name: "product", missing: model.ProductNoun, row: func() any { return new(model.Product) },
	keys: [][]string{{"manufacturerCode", "productCode"}}, naming: []string{"id", "manufacturerCode", "productCode"},
	usedBy: []use{{store.ProductTokens, "tokens"}},
	check:  checkProduct,
	attrs: []attr{
		{name: "name", kind: text, rule: model.Name, when: always, required: true},
		{name: "manufacturerCode", kind: text, rule: model.CodeName, when: always, required: true, max: 32, indexed: true, about: "unique together with productCode"},
		{name: "productCode", kind: text, rule: model.CodeName, when: always, required: true, max: 32},
		{name: "algorithm", kind: enum, when: always, required: true, values: []string{string(otp.HOTP), string(otp.TOTP)}},
		{name: "digits", kind: integer, when: always, initial: int64(6), min: 6, max: 8, about: "6 or 8"},
		{name: "period", kind: integer, when: always, max: 86400, about: "seconds of a time step, TOTP only; 30 if not given"},
		{name: "crypto", kind: enum, when: always, initial: string(otp.HmacSHA1), values: []string{string(otp.HmacSHA1), string(otp.HmacSHA256), string(otp.HmacSHA512)}},
		{name: "kind", kind: enum, when: always, initial: model.Hardware, values: []string{model.Hardware, model.Soft}},
		{name: "autoWindow", kind: integer, when: always, max: otp.MaxWindow, about: "steps within which an OTP is accepted at once of a token that was not used yet, or not for long"},
		{name: "narrowWindow", kind: integer, when: always, initial: int64(model.DefaultNarrowWindow), max: otp.MaxWindow, about: "the same of a token in use: steps either way around its drift; counters ahead are twice as many and one"},
		{name: "checkWindow", kind: integer, when: always, max: otp.MaxWindow, about: "steps within which a second, consecutive OTP is asked for"},
		{name: "manualWindow", kind: integer, when: always, max: otp.MaxWindow, about: "steps within which two OTPs synchronise"},
		{name: "maxTokensPerUser", kind: integer, when: always, about: "0 = any number"},
		{name: "activation", kind: enum, when: always, initial: model.ActivateAuto, values: []string{model.ActivateAuto, model.ActivateCode}},
		{name: "activationCodeLength", kind: integer, when: always, initial: int64(8), min: 6, max: 32},
		{name: "activationCodeHours", kind: integer, when: always, initial: int64(48), max: 87600, about: "0 = no end"},
		{name: "functions", kind: text, rule: model.AnyText, when: always, max: 1024},
	},
})

// Create makes a product.
func (m *Product) Create(r *http.Request, args *CreateArgs, plan *Plan) error {
	return m.create(r, args, plan, func(*decoded) error { return nil },
		func(_ *call, _ store.Tx, d *decoded, _ string, made jsontext.Value) (any, error) {
			var p model.Product // what is not given is not weak
			p.Algorithm, _ = given[string](d, "algorithm")
			p.Period, _ = given[int64](d, "period")
			p.AutoWindow, _ = given[int64](d, "autoWindow")
			return noted(made, p.Weak()...), nil
		})
}

func checkProduct(c *call, tx store.Tx, d *decoded, old, row any) error {
	p := row.(*model.Product)
	switch {
	case p.Algorithm == string(otp.HOTP):
		if p.Period != 0 && d.has("period") {
			return model.AttrErrorf(model.Invalid, "attrs.period", "HOTP has no period")
		}
		p.Period = 0
	case !d.has("period") && p.Period == 0:
		p.Period = 30
	}
	if err := p.OTP().Check(); err != nil {
		return model.AttrErrorf(model.Invalid, "attrs", "%s", err)
	}
	if old == nil || !old.(*model.Product).SameOTP(p) {
		if err := c.s.checkPeriod(p.OTP()); err != nil {
			return err
		}
	}
	if old == nil {
		auto, check, manual := model.DefaultWindows(p.Algorithm, p.Kind)
		for name, w := range map[string]struct{ at, to *int64 }{
			"autoWindow": {&p.AutoWindow, &auto}, "checkWindow": {&p.CheckWindow, &check}, "manualWindow": {&p.ManualWindow, &manual}} {
			if !d.has(name) {
				*w.at = *w.to
			}
		}
		return nil
	}
	if q := old.(*model.Product); !q.SameOTP(p) || q.Kind != p.Kind {
		used, err := tx.Exists(store.ProductTokens, p.ID)
		if err != nil {
			return err
		}
		if used {
			return model.Errorf(model.InUse, "product is still in use by tokens: algorithm, digits, period, crypto and kind stay as they are")
		}
	}
	return nil
}
