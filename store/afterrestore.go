package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tokensmith/model"
	"tokensmith/model/otp"
)

// metaRestored is the name of the meta row with the time of the last restore, in Unix milliseconds.
const metaRestored = "restored"

// Restored counts what AfterRestore changed.
type Restored struct {
	Times     int64 // time-based tokens, and seed marks of deleted ones, that no longer accept OTPs from before now
	Events    int64 // event-based tokens, and seed marks of deleted ones, whose counters moved (or would have, if advance were not 0)
	Passcodes int64 // passcodes that had been sent and were not used
	Codes     int64 // emergency codes that were open
	Links     int64 // provisioning links
	Sessions  int64 // console sessions
}

func (s *sqlStore) AfterRestore(ctx context.Context, now time.Time, advance int64, row *model.Audit) (r Restored, err error) {
	err = s.update(ctx, updateUnbounded, func(tx *sqlTx) error {
		r = Restored{}
		if err := tx.PutMeta(metaRestored, strconv.AppendInt(nil, now.UnixMilli(), 10)); err != nil {
			return err
		}
		products, err := tx.Products()
		if err != nil {
			return err
		}
		for i := range products {
			if err := tx.passOver(&products[i], now, advance, &r); err != nil {
				return err
			}
		}
		if err := tx.passOverMarks(now, advance, &r); err != nil {
			return err
		}
		for _, once := range []struct {
			count     *int64
			statement string
			args      []any
		}{
			{new(int64), "UPDATE token_states SET resync_step = 0, resync_until = 0 WHERE resync_until > 0", nil},
			{&r.Passcodes, "UPDATE user_states SET passcode = NULL, passcode_until = 0 WHERE passcode IS NOT NULL", nil},
			{&r.Codes, "UPDATE temp_passes SET expires = ? WHERE (expires = 0 OR expires > ?) AND (usage_limit = 0 OR used_times < usage_limit)",
				[]any{model.At(now), model.At(now)}},
			{&r.Links, "DELETE FROM download_links", nil},
			{&r.Sessions, "DELETE FROM sessions", nil},
			{new(int64), "DELETE FROM radius_notes", nil},
		} {
			if *once.count, err = tx.exec(once.statement, once.args...); err != nil {
				return err
			}
		}
		if row != nil {
			return tx.Audit(row)
		}
		return nil
	})
	if err == nil {
		s.restoredAt.Store(now.UnixMilli())
	}
	if err == nil && s.kept != nil {
		if err = s.rewriteKeptHead(ctx); err != nil {
			err = fmt.Errorf("the database is ready, but the audit head kept next to the key file could not be replaced, "+
				"so audit verify will miss the rows that are not in this database: %w", err)
		}
	}
	return r, err
}

// passOver moves the counters of a product's tokens. Time-based counters move to the time step after now. If a token's clock was
// seen ahead, its drift is added. Event-based counters move by advance.
func (tx *sqlTx) passOver(p *model.Product, now time.Time, advance int64, r *Restored) error {
	if p.Algorithm != string(otp.TOTP) && advance == 0 {
		n, err := value[int64](&tx.sqlReadTx, "SELECT COUNT(*) FROM tokens WHERE product_id = ?", p.ID)
		r.Events += n
		return err
	}
	if p.Algorithm != string(otp.TOTP) {
		n, err := tx.exec(`UPDATE token_states SET previous = counter, counter = counter + ?
			WHERE counter <= ? AND token_id IN (SELECT id FROM tokens WHERE product_id = ?)`, advance, otp.LastStep-advance, p.ID)
		r.Events += n
		return err
	}
	// A drift below -otp.MaxWindow is not a slow clock. Such a token counts its time steps from another epoch, as some vendors'
	// tokens do. Its drift is added as well.
	next := p.OTP().Step(now.Unix()) + 1
	const its = "token_id IN (SELECT id FROM tokens WHERE product_id = ?)"
	const beyond = "? + CASE WHEN drift > 0 OR drift < ? THEN drift ELSE 0 END"
	// A counter that is already beyond this point stays. What was used of the time steps below it is not known, so previous moves
	// up to it: a later reset must not accept them again.
	if _, err := tx.exec("UPDATE token_states SET previous = counter WHERE "+its+" AND counter >= "+beyond, p.ID, next, -otp.MaxWindow); err != nil {
		return err
	}
	n, err := tx.exec("UPDATE token_states SET previous = "+beyond+", counter = "+beyond+" WHERE "+its+" AND counter < "+beyond,
		next, -otp.MaxWindow, next, -otp.MaxWindow, p.ID, next, -otp.MaxWindow)
	r.Times += n
	return err
}

// passOverMarks does the same for the seed marks of deleted tokens.
func (tx *sqlTx) passOverMarks(now time.Time, advance int64, r *Restored) error {
	n, err := tx.exec("UPDATE seed_marks SET counter = counter + ? WHERE algorithm <> ? AND counter <= ?", advance, string(otp.TOTP), otp.LastStep-advance)
	if err != nil {
		return err
	}
	r.Events += n
	periods, err := values[int64](&tx.sqlReadTx, "SELECT DISTINCT period FROM seed_marks WHERE algorithm = ? AND period > 0", string(otp.TOTP))
	if err != nil {
		return err
	}
	for _, period := range periods {
		next := now.Unix()/period + 1
		until := model.At(now) + model.Time((otp.MaxWindow+1)*period*1000)
		n, err := tx.exec(`UPDATE seed_marks SET counter = ?, previous = ?, until = CASE WHEN until = 0 OR until > ? THEN until ELSE ? END
			WHERE algorithm = ? AND period = ? AND counter < ?`, next, next, until, until, string(otp.TOTP), period, next)
		if err != nil {
			return err
		}
		r.Times += n
	}
	return nil
}

// findRestored caches the time of the last restore, because each login needs it. No server runs while it changes.
func (s *sqlStore) findRestored(ctx context.Context) error {
	return s.view(ctx, true, func(tx *sqlReadTx) error {
		at, err := tx.restored()
		s.restoredAt.Store(int64(at))
		return err
	})
}

// restored returns when the database was last restored; 0 if it never was.
func (tx *sqlReadTx) restored() (model.Time, error) {
	text, err := tx.Meta(metaRestored)
	if err != nil || text == nil {
		return 0, err
	}
	at, err := strconv.ParseInt(string(text), 10, 64)
	return model.Time(at), err
}
