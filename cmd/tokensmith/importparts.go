package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// partBytes limits the text of a part, so that rows with long texts do not need more memory.
const partBytes = 16 << 20

// fileImport is a file that is being imported. Each part is sent as an OATH CSV file with named columns, which can contain all
// data of a key. The part is built in memory.
type fileImport struct {
	env   *env
	flags *importFlags
	opts  seedfile.Options
	file  *os.File
	size  int64
	bar   *progress
	call  callFunc

	keys   int                 // number of keys in the whole file
	marks  []uint64            // hash of each key's name, to find two keys with the same name
	seed   maphash.Seed        // seed of these hashes
	done   int                 // number of imported keys
	table  *seedfile.OATHTable // the part that is being filled
	spare  *seedfile.OATHTable // the part that is being sent, or an unused one
	flight chan error          // receives the result of the part that is being sent; nil if there is none
	sum    partResult
	said   map[string]bool // notes that were printed
}

// partResult is the result of one call of token/import.
type partResult struct {
	Total    int             `json:"total"`
	Created  int             `json:"created"`
	Existing int             `json:"existing"`
	Skipped  int             `json:"skipped"`
	Assigned int             `json:"assigned"`
	Products []string        `json:"products"`
	Notes    []string        `json:"notes"`
	Rows     json.RawMessage `json:"rows"`
	More     int             `json:"more"`
}

// read reads the file from its beginning.
func (im *fileImport) read(ctx context.Context, key func(*seedfile.File, seedfile.Key) error) (*seedfile.File, error) {
	if _, err := im.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	file, err := seedfile.NewReader(im.file, im.flags.charset)
	if err != nil {
		return nil, err
	}
	return seedfile.Read(file, im.opts, func(f *seedfile.File, k seedfile.Key) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return key(f, k)
	})
}

// check reads the whole file before anything is stored.
func (im *fileImport) check(ctx context.Context) error {
	notes := map[string]bool{}
	note := func(n string) {
		if !notes[n] && len(notes) < 100 {
			notes[n] = true
			fmt.Fprintln(im.env.stderr, "note:", n)
		}
	}
	var found []string
	n := 0
	im.seed = maphash.MakeSeed()
	f, err := im.read(ctx, func(f *seedfile.File, k seedfile.Key) error {
		for _, text := range k.Notes {
			if len(found) < 100 && !slices.Contains(found, text) {
				found = append(found, text)
			}
		}
		im.marks = append(im.marks, im.mark(f, &k))
		if n++; n%1000 == 0 {
			if at, err := im.file.Seek(0, io.SeekCurrent); err == nil {
				im.bar.bytes("checking", at, im.size)
			}
		}
		return nil
	})
	im.bar.clear()
	if err != nil {
		return plainError(err)
	}
	for _, text := range append(found, f.Notes...) {
		note(text)
	}
	im.said = notes
	if codes := f.ManufacturerCode + "/" + f.ProductCode; codes != "/" && im.flags.product != "" && codes != im.flags.product {
		return fmt.Errorf("the file is for product %s, not for %s", codes, im.flags.product)
	}
	if bad := f.Bad.Count(); bad > 0 {
		for _, row := range f.Bad.Rows {
			im.badRow(row.Line, row.Serial, row.Reason)
		}
		if f.Bad.More > 0 {
			fmt.Fprintf(im.env.stderr, "and %d more\n", f.Bad.More)
		}
		return refusedRows(bad)
	}
	im.keys = f.Keys
	return im.twice(ctx)
}

// mark returns a hash of the fields that decide, as far as the file alone can tell, whether two keys become different tokens.
// Keys with the same hash in one part are refused by the server.
func (im *fileImport) mark(f *seedfile.File, k *seedfile.Key) uint64 {
	called := []string{k.Serial, k.KeyID}
	if k.Serial+k.KeyID == "" {
		called = []string{k.Issuer, k.User}
	}
	if im.flags.product == "" {
		called = append(called, f.ManufacturerCode, f.ProductCode, k.Manufacturer, k.Model, k.Algorithm, k.Hash, fmt.Sprint(k.Digits, " ", k.Period))
	}
	return maphash.String(im.seed, strings.Join(called, "\x00"))
}

// twice refuses keys with the same name, because the server sees only one part at a time. The file is read again, for the line
// numbers, only if there are such keys.
func (im *fileImport) twice(ctx context.Context) error {
	slices.Sort(im.marks)
	first := map[uint64]int{}
	for i, m := range im.marks {
		if i > 0 && m == im.marks[i-1] {
			first[m] = 0
		}
	}
	im.marks = nil
	if len(first) == 0 {
		return nil
	}
	bad := 0
	_, err := im.read(ctx, func(f *seedfile.File, k seedfile.Key) error {
		m := im.mark(f, &k)
		line, again := first[m]
		switch {
		case again && line == 0:
			first[m] = k.Line
		case again:
			if bad++; bad <= maxBad {
				im.badRow(k.Line, "", fmt.Sprintf("the serial is already in line %d", line))
			}
		}
		return nil
	})
	if err != nil {
		return plainError(err)
	}
	return refusedRows(bad)
}

// plainError returns the text of an error without technical details.
func plainError(err error) error {
	var e *model.Error
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	if errors.As(err, &e) {
		return errors.New(strings.TrimPrefix(e.Msg, "attrs.") + "; nothing is changed")
	}
	return err
}

// refusedRows returns the error for a file with refused rows.
func refusedRows(n int) error {
	if n == 1 {
		return errors.New("1 row is refused, nothing is changed")
	}
	return fmt.Errorf("%d rows are refused, nothing is changed", n)
}

func (im *fileImport) badRow(line int, serial, reason string) {
	where := fmt.Sprintf("line %d", line)
	if serial != "" {
		where += ", serial " + serial
	}
	fmt.Fprintf(im.env.stderr, "%s: %s\n", where, reason)
}

// send imports the file part by part.
func (im *fileImport) send(ctx context.Context) error {
	im.bar.start()
	im.table, im.spare = &seedfile.OATHTable{}, &seedfile.OATHTable{}
	im.table.Reset()
	last := ""
	f, err := im.read(ctx, func(f *seedfile.File, k seedfile.Key) error {
		if f.ManufacturerCode+f.ProductCode != "" {
			k.Manufacturer, k.Model = f.ManufacturerCode, f.ProductCode
		}
		if k.Algorithm == "" && im.flags.product == "" {
			k.Algorithm = f.Untyped
		}
		// Keep the keys of one device in one part, so that they are distinguished as in an import of the whole file.
		if full := im.table.Rows() >= im.flags.part || im.table.Len() >= partBytes; full && (k.Serial == "" || k.Serial != last) {
			if err := im.part(ctx); err != nil {
				return err
			}
		}
		last = k.Serial
		im.table.Add(k)
		return nil
	})
	if err == nil && im.table.Rows() > 0 {
		err = im.part(ctx)
	}
	if e := im.land(); err == nil {
		err = e
	}
	if err == nil && (f.Keys != im.keys || f.Bad.Count() > 0) {
		err = errors.New("the file was changed while it was imported")
	}
	im.bar.clear()
	if err != nil {
		if !im.flags.dryRun && im.done > 0 {
			next := "run"
			if errors.As(err, new(rowsRefused)) {
				next = "correct these rows and run"
			}
			fmt.Fprintf(im.env.stderr, "%d of %d tokens are imported; %s the same command again to continue\n", im.done, im.keys, next)
		}
		if errors.Is(err, context.Canceled) {
			return errors.New("interrupted")
		}
		return err
	}
	return im.report()
}

// rowsRefused is the error for a part with refused rows. Sending it again does not help.
type rowsRefused struct{ error }

// part starts to send the keys in the table, after the part before has been sent. Meanwhile the next keys can be read.
func (im *fileImport) part(ctx context.Context) error {
	if err := im.land(); err != nil {
		return err
	}
	table := im.table
	im.table, im.spare = im.spare, table
	im.table.Reset()
	im.flight = make(chan error, 1)
	go func() { im.flight <- im.post(ctx, table) }()
	return nil
}

// land waits for the part that is being sent.
func (im *fileImport) land() error {
	if im.flight == nil {
		return nil
	}
	err := <-im.flight
	im.flight = nil
	return err
}

// post imports the keys of a table.
func (im *fileImport) post(ctx context.Context, table *seedfile.OATHTable) error {
	params, err := json.Marshal(map[string]any{"attrs": im.attrs(table)})
	if err != nil {
		return err
	}
	reply, err := im.call(ctx, "token/import", "", params)
	if err != nil {
		return err
	}
	var envelope struct {
		Error   *int
		Message string
		Result  partResult
	}
	if err := json.Unmarshal(reply, &envelope); err != nil || envelope.Error == nil {
		return errors.New("the reply is not an envelope: is the server a tokensmith, and the address complete?")
	}
	r := envelope.Result
	if *envelope.Error != 0 {
		im.bar.clear()
		im.refused(r)
		message := envelope.Message
		if im.done > 0 && !im.flags.dryRun {
			message = strings.Replace(message, "nothing is changed", "nothing of that part was imported", 1)
		}
		err := fmt.Errorf("%s (error %d)", message, *envelope.Error)
		if len(r.Rows) > 0 {
			return rowsRefused{err}
		}
		return err
	}
	for _, n := range r.Notes {
		// A note ends with the token that it was first made for. The check has already printed it without the token.
		if text, _, _ := strings.Cut(n, " (token "); !im.said[text] && len(im.said) < 100 {
			im.said[text] = true
			im.bar.clear()
			fmt.Fprintln(im.env.stderr, "note:", text)
		}
	}
	im.sum.Total += r.Total
	im.sum.Created += r.Created
	im.sum.Existing += r.Existing
	im.sum.Skipped += r.Skipped
	im.sum.Assigned += r.Assigned
	for _, p := range r.Products {
		if !slices.Contains(im.sum.Products, p) {
			im.sum.Products = append(im.sum.Products, p)
		}
	}
	im.done += table.Rows()
	im.bar.rows(im.verb(), im.done, im.keys)
	return nil
}

func (im *fileImport) verb() string {
	if im.flags.dryRun {
		return "rehearsing"
	}
	return "importing"
}

func (im *fileImport) attrs(table *seedfile.OATHTable) map[string]any {
	f := im.flags
	attrs := map[string]any{"data": table.Text(), "format": seedfile.OATHCSV, "encode": seedfile.Hex, "onExisting": f.onExisting}
	for name, on := range map[string]bool{"assign": f.assign, "createProducts": f.create, "dryRun": f.dryRun} {
		if on {
			attrs[name] = true
		}
	}
	if maker, code, ok := strings.Cut(f.product, "/"); ok {
		attrs["product.manufacturerCode"], attrs["product.productCode"] = maker, code
	}
	if f.crypto != "" {
		attrs["crypto"] = f.crypto
	}
	if f.repository != "" {
		attrs["repository.name"] = f.repository
	}
	return attrs
}

// refused prints the refused rows of a part. Their line numbers are those of the whole file, because the part contains them.
func (im *fileImport) refused(r partResult) {
	var rows []struct {
		Line           int
		Serial, Reason string
	}
	if json.Unmarshal(r.Rows, &rows) != nil {
		return
	}
	for _, row := range rows {
		im.badRow(row.Line, row.Serial, row.Reason)
	}
	if r.More > 0 {
		fmt.Fprintf(im.env.stderr, "and %d more\n", r.More)
	}
}

func (im *fileImport) report() error {
	s := im.sum
	if !im.flags.dryRun {
		fmt.Fprintf(im.env.stdout, "%d tokens of %d imported\n", s.Total, im.keys)
		return nil
	}
	fmt.Fprintf(im.env.stdout, "%d tokens: %d would be created, %d exist with the same seed, %d would be skipped, %d assigned\n",
		im.keys, s.Created, s.Existing, s.Skipped, s.Assigned)
	if len(s.Products) > 0 {
		fmt.Fprintln(im.env.stdout, "products that would be created:", strings.Join(s.Products, ", "))
	}
	return nil
}
