package seeds

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/model/seedfile"
	"tokensmith/store"
)

// key checks a key against its product and makes its token.
func (im *importing) key(f *seedfile.File, k seedfile.Key) error {
	to, reason, err := im.targets.of(im, f, &k)
	if err != nil {
		return err
	}
	serial := serialOf(&k)
	if reason == "" {
		serial = im.oneOfDevice(&k, serial, to)
		reason = im.refused(&k, serial, to)
	}
	if reason != "" {
		im.bad.Add(k.Line, serial, "%s", reason)
		return nil
	}
	to.serials[serial] = len(im.rows)
	for _, n := range k.Notes {
		im.notes.Add(n, serial)
	}
	if p := &to.product; k.Counter != 0 && p.Algorithm != string(otp.HOTP) {
		k.Counter = 0
		im.notes.Add("the counter was not used, because the key is time-based", serial)
	} else if k.Drift != 0 && p.Algorithm != string(otp.TOTP) {
		k.Drift = 0
		im.notes.Add("the drift was not used, because the key is event-based", serial)
	}
	if model.IsWeakSeed(len(k.Secret)) {
		im.notes.Add(model.WeakSeed, serial)
	}
	for _, n := range to.product.Weak() {
		im.notes.Add(to.product.Codes()+": "+n, serial)
	}
	if k.KeyID == "" {
		k.KeyID = serial
	}
	c := im.c
	id := c.NewID()
	im.tokens = append(im.tokens, model.Token{ID: id, ProductID: to.product.ID, RepositoryID: im.repository, Serial: serial, Identifier: k.KeyID,
		Status: model.Active, Description: k.Description, DateCreated: c.Now, LastUpdated: c.Now})
	im.states = append(im.states, model.TokenState{TokenID: id, Counter: k.Counter, Previous: k.Counter, Drift: k.Drift})
	row := importRow{line: k.Line, to: to, seed: k.Secret}
	if im.assign {
		row.user = k.User
	}
	im.rows = append(im.rows, row)
	return nil
}

// maxSeal is how many seeds one goroutine seals at a time.
const maxSeal = 1000

// seal seals the seeds of all tokens, on all processors.
func (im *importing) seal() {
	var workers sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), 1+len(im.tokens)/maxSeal) {
		workers.Go(func() {
			for {
				end := int(next.Add(maxSeal))
				start := end - maxSeal
				if start >= len(im.tokens) {
					return
				}
				for i := start; i < min(end, len(im.tokens)); i++ {
					t := &im.tokens[i]
					t.Seed = im.c.Server.Keys.Seal(store.SeedPlace(t.ID), im.rows[i].seed)
					store.IndexSeed(im.c.Server.Keys, t, im.rows[i].seed, im.rows[i].to.product.Crypto)
				}
			}
		})
	}
	workers.Wait()
}

// serialOf returns the serial number for the token of a key: the key's serial number, or its id, or, for a key URI, its label. If
// the label is too long for a serial number, the account is used, and the whole label becomes the key's id.
func serialOf(k *seedfile.Key) string {
	switch {
	case k.Serial != "":
		return k.Serial
	case k.KeyID != "":
		return k.KeyID
	case k.Issuer == "" || k.User == "":
		return k.User
	}
	label := k.Issuer + ":" + k.User
	if model.Characters(label) > model.MaxSerial && model.Characters(k.User) <= model.MaxSerial && model.Characters(label) <= model.MaxIdentifier {
		k.KeyID = label
		k.Notes = append(k.Notes, "the label is too long for a serial: its account became the serial, and the whole label the identifier")
		return k.User
	}
	return label
}

// oneOfDevice returns different serial numbers for the keys of one device (RFC 6030, figure 10). The first key has the device's
// serial number. For a further key with another id, that id is appended.
func (im *importing) oneOfDevice(k *seedfile.Key, serial string, to *target) string {
	first, twice := to.serials[serial]
	if twice && k.Serial != "" && k.KeyID != "" && k.KeyID != im.tokens[first].Identifier {
		return serial + "-" + k.KeyID
	}
	return serial
}

// refused returns why a key cannot become a token of its product; "" if it can.
func (im *importing) refused(k *seedfile.Key, serial string, to *target) string {
	p := &to.product
	if first, twice := to.serials[serial]; twice {
		return fmt.Sprintf("the serial is already in line %d", im.rows[first].line)
	}
	clash := func(what string, has, wants any) string {
		reason := fmt.Sprintf("%s is %v, but product %s has %v", what, has, p.Codes(), wants)
		if k.Algorithm != "" {
			reason += "; it needs a product with " + kindText(kindOf(k))
		}
		return reason
	}
	if _, reason := model.SerialName.Clean(serial); reason != "" {
		return "the serial " + reason
	}
	switch {
	case serial == "":
		return "the serial is missing"
	case model.Characters(serial) > model.MaxSerial:
		return fmt.Sprintf("the key id or label, which is its serial, is longer than %d characters", model.MaxSerial)
	case model.Characters(k.KeyID) > model.MaxIdentifier:
		return fmt.Sprintf("the key id is longer than %d characters", model.MaxIdentifier)
	case len(k.Secret) < model.MinSeedBytes:
		return fmt.Sprintf("the seed is shorter than %d bytes", model.MinSeedBytes)
	case len(k.Secret) > model.MaxSeedBytes:
		return fmt.Sprintf("the seed is longer than %d bytes", model.MaxSeedBytes)
	case k.Algorithm != "" && k.Algorithm != p.Algorithm:
		return clash("the algorithm", k.Algorithm, p.Algorithm)
	case k.Digits != 0 && int64(k.Digits) != p.Digits:
		return clash("the number of digits", k.Digits, p.Digits)
	case k.Hash != "" && k.Hash != p.Crypto:
		return clash("the crypto", k.Hash, p.Crypto)
	case k.Period != 0 && p.Algorithm != string(otp.TOTP):
		return clash("the period", k.Period, "none")
	case k.Period != 0 && k.Period != p.Period:
		return clash("the period", k.Period, p.Period)
	case p.Algorithm == string(otp.TOTP) && k.Drift < -im.c.Now.Std().Unix()/p.Period:
		return fmt.Sprintf("with a drift of %d steps of %d s the token's clock is before 1970: it has no OTPs there", k.Drift, p.Period)
	}
	return ""
}
