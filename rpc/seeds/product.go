package seeds

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/store"
)

// Which product a key belongs to:
//
//   - If the client names a product, all keys belong to it, and what a key says must match it.
//   - Otherwise the product with the codes of the file, or with the key's manufacturer and model as codes (as token/export writes
//    them). createProducts creates it if it is missing.
//   - Otherwise, if a key does not name both codes, or names a product of another kind: the product <manufacturer or
//    OATH>/<kind>. createProducts creates it if it is missing.
//   - Otherwise, without createProducts, the only product of the key's kind. If there are several or none, the key is refused.
//
// With createProducts the choice does not depend on which other products exist. So a file that is imported again, or in parts,
// finds its tokens in the same products.

// target is a product for keys of the file.
type target struct {
	product model.Product
	fresh   bool           // it must be created
	serials map[string]int // serial numbers of this file → row
}

// targets finds the products.
type targets struct {
	client *target            // the product that the client named
	known  map[string]*target // by codes
	listed []*target          // the same products, oldest first
	used   []*target
	choice map[choice]chosen
	begun  bool
}

// choice contains everything that decides a key's product.
type choice struct {
	maker, code string
	inHeader    bool
	kind        otp.Params
	soft        bool // a key without serial number and id belongs to an app
	long        bool // its seed has the length for SHA-512, and the file names no hash function
}

type chosen struct {
	to     *target
	reason string
}

func (t *targets) read(tx store.ReadTx, client *string) error {
	products, err := tx.Products()
	t.known, t.choice, t.listed, t.client = map[string]*target{}, map[choice]chosen{}, nil, nil
	for _, p := range products {
		to := &target{product: p, serials: map[string]int{}}
		t.listed = append(t.listed, to)
		t.known[p.Codes()] = to
		if client != nil && p.ID == *client {
			t.client = to
		}
	}
	return err
}

// kindOf returns a key's kind according to the file. What the file does not say is zero.
func kindOf(k *seedfile.Key) otp.Params {
	return otp.Params{Algorithm: otp.Algorithm(k.Algorithm), Digits: k.Digits, Period: k.Period, Hash: otp.Hash(k.Hash)}
}

// kindText returns a kind as text for readers, such as "TOTP, 8 digits, 60 s, HmacSHA256".
func kindText(p otp.Params) string {
	p = p.WithDefaults()
	if p.Algorithm == otp.HOTP {
		return fmt.Sprintf("HOTP, %d digits, %s", p.Digits, p.Hash)
	}
	return fmt.Sprintf("%s, %d digits, %d s, %s", p.Algorithm, p.Digits, p.Period, p.Hash)
}

// kindCode returns a kind as a product code, such as "TOTP-8-60-SHA256".
func kindCode(p otp.Params) string {
	code := string(p.Algorithm) + "-" + strconv.Itoa(p.Digits)
	if p.Algorithm == otp.TOTP {
		code += "-" + strconv.FormatInt(p.Period, 10)
	}
	return code + "-" + strings.TrimPrefix(string(p.Hash), "Hmac")
}

// of returns the product of a key, or the reason why there is none. An error refuses the whole file.
func (t *targets) of(im *importing, f *seedfile.File, k *seedfile.Key) (*target, string, error) {
	if k.Hash == "" {
		k.Hash = im.crypto
	}
	if !t.begun {
		t.begun = true
		if codes := f.ManufacturerCode + "/" + f.ProductCode; t.client != nil && codes != "/" && codes != t.client.product.Codes() {
			return nil, "", model.Errorf(model.ImportRefused, "the file is for product %s, not for %s", shownCodes(f.ManufacturerCode, f.ProductCode), t.client.product.Codes())
		}
	}
	if t.client != nil {
		t.use(t.client)
		return t.client, "", nil
	}
	if k.Algorithm == "" {
		k.Algorithm = f.Untyped
	}
	want := choice{maker: f.ManufacturerCode, code: f.ProductCode, inHeader: true, kind: kindOf(k), soft: k.Serial == "" && k.KeyID == ""}
	if want.maker == "" && want.code == "" {
		want.maker, want.code, want.inHeader = k.Manufacturer, k.Model, false
	}
	want.long = k.Hash == "" && len(k.Secret) >= sha512.Size
	got, seen := t.choice[want]
	if !seen {
		var err error
		if got, err = t.choose(im, want); err != nil {
			return nil, "", err
		}
		t.choice[want] = got
	}
	if got.to != nil {
		t.use(got.to)
	}
	return got.to, got.reason, nil
}

func (t *targets) use(to *target) {
	if len(to.serials) > 0 {
		return
	}
	for _, u := range t.used {
		if u == to {
			return
		}
	}
	t.used = append(t.used, to)
}

func (t *targets) choose(im *importing, want choice) (chosen, error) {
	named := want.inHeader || want.maker != "" && want.code != ""
	var other *target // the named product, if it is of another kind
	if named {
		switch to := t.known[want.maker+"/"+want.code]; {
		case to != nil && (want.inHeader && !im.create || fits(to.product.OTP(), want.kind)):
			return chosen{to: to}, nil
		case to != nil:
			other, named = to, false
		case want.inHeader && !im.create:
			return chosen{}, &model.Error{Kind: model.NotFound, Noun: model.ProductNoun, Msg: "product not found: the file is for " + shownCodes(want.maker, want.code)}
		}
	}
	if want.kind.Algorithm == "" {
		switch {
		case other != nil:
			return chosen{to: other}, nil
		case named:
			return chosen{}, model.AttrErrorf(model.Missing, "attrs.product.id", "is required: there is no product %s, and "+
				"the file does not state the algorithm", shownCodes(want.maker, want.code))
		}
		return chosen{}, model.AttrErrorf(model.Missing, "attrs.product.id", "is required: the file names no product")
	}
	if want.long && other == nil {
		return chosen{reason: "the seed has 64 bytes or more, as for SHA-512, but the file does not state the hash: give " +
			"it with attrs.crypto or --crypto"}, nil
	}
	kind := want.kind.WithDefaults()
	if !named {
		if !isCode(want.maker) {
			want.maker = "OATH"
		}
		want.code = kindCode(kind)
		if to := t.known[want.maker+"/"+want.code]; to != nil {
			return chosen{to: to}, nil
		}
	}
	switch {
	case im.create:
		return t.make(im, want, kind, named), nil
	case other != nil:
		return chosen{to: other}, nil // the method refused then says how it differs
	case named:
		return chosen{reason: fmt.Sprintf("there is no product %s, %s; create it, name another, or use createProducts", shownCodes(want.maker, want.code), kindText(kind))}, nil
	}
	return t.only(want, kind), nil
}

// fits returns whether a product matches a kind in everything that the kind specifies.
func fits(p, kind otp.Params) bool {
	return (kind.Algorithm == "" || kind.Algorithm == p.Algorithm) && (kind.Digits == 0 || kind.Digits == p.Digits) &&
		(kind.Period == 0 || kind.Period == p.Period) && (kind.Hash == "" || kind.Hash == p.Hash)
}

// only returns the only product of a kind.
func (t *targets) only(want choice, kind otp.Params) chosen {
	var fit []*target
	var codes []string
	for _, to := range t.listed {
		if to.product.OTP() == kind {
			fit, codes = append(fit, to), append(codes, to.product.Codes())
		}
	}
	switch len(fit) {
	case 0:
		return chosen{reason: fmt.Sprintf("no product has %s; create one, such as %s, or use createProducts", kindText(kind), shownCodes(want.maker, want.code))}
	case 1:
		return chosen{to: fit[0]}
	}
	if len(codes) > 5 {
		codes = append(codes[:5], "...")
	}
	return chosen{reason: fmt.Sprintf("several products have %s; name one of %s", kindText(kind), strings.Join(codes, ", "))}
}

// maxPeriod is the limit of the product's attribute.
const maxPeriod = 86400

// shownCodes returns a product's codes as in a file. A code that could be a seed in the wrong column is not shown.
func shownCodes(maker, product string) string {
	for _, code := range []*string{&maker, &product} {
		if model.Hidden(*code) {
			*code = fmt.Sprintf("(a code of %d characters)", model.Characters(*code))
		}
	}
	return maker + "/" + product
}

// isCode returns whether a text is a valid product code.
func isCode(s string) bool {
	clean, reason := model.CodeName.Clean(s)
	return s != "" && reason == "" && clean == s && model.Characters(s) <= model.MaxCode
}

// make prepares a missing product.
func (t *targets) make(im *importing, want choice, kind otp.Params, named bool) chosen {
	switch err := kind.Check(); {
	case err != nil:
		return chosen{reason: "no product can be made for it: " + err.Error()}
	case kind.Period > maxPeriod:
		return chosen{reason: fmt.Sprintf("no product can be made for it: its period is longer than %d s", maxPeriod)}
	case people.CheckPeriod(im.c.Server, kind) != nil:
		return chosen{reason: fmt.Sprintf("no product can be made for it: its period is longer than %d s", people.ProfileOf(im.c.Server).Period)}
	case !isCode(want.maker) || !isCode(want.code):
		return chosen{reason: fmt.Sprintf("no product can be made for it: its codes are not 1 to %d characters each", model.MaxCode)}
	}
	p := model.Product{ID: im.c.NewID(), Name: kindText(kind), ManufacturerCode: want.maker, ProductCode: want.code, Algorithm: string(kind.Algorithm),
		Digits: int64(kind.Digits), Period: kind.Period, Crypto: string(kind.Hash), Kind: model.Hardware,
		Activation: model.ActivateAuto, ActivationCodeLength: 8, ActivationCodeHours: 48}
	if named {
		p.Name = want.maker + " " + want.code
	}
	if want.soft {
		p.Kind = model.Soft
	}
	p.AutoWindow, p.CheckWindow, p.ManualWindow = model.DefaultWindows(p.Algorithm, p.Kind)
	to := &target{product: p, fresh: true, serials: map[string]int{}}
	t.listed = append(t.listed, to)
	t.known[p.Codes()] = to
	return chosen{to: to}
}

// settle creates the missing products, and checks that the others have not changed.
func (t *targets) settle(tx store.Tx) error {
	stale := model.Errorf(model.Stale, "the product was changed while the file was read")
	for _, to := range t.used {
		if to.fresh {
			p := to.product
			_, err := tx.ProductByCodes(p.ManufacturerCode, p.ProductCode)
			var missed *model.Error
			switch {
			case err == nil:
				return stale
			case !errors.As(err, &missed) || missed.Kind != model.NotFound:
				return err
			}
			if err := tx.Insert(&p); err != nil {
				return err
			}
			continue
		}
		var now model.Product
		if err := tx.Load(&now, to.product.ID); err != nil {
			return err
		}
		if !now.SameOTP(&to.product) {
			return stale
		}
	}
	return nil
}

// touched sets the object of the audit row to what the import changed.
func (t *targets) touched(c *dispatch.Call, tokens int) {
	var ids []string
	for i, to := range t.used {
		if i == 5 {
			ids = append(ids, "...")
			break
		}
		ids = append(ids, to.product.ID)
	}
	c.SetObject("product", strings.Join(ids, " ")+" "+strconv.Itoa(tokens)+" tokens")
}
