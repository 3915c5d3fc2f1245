package store

import (
	"errors"
	"strconv"

	"tokensmith/model"
)

// maxAddresses is how many addresses are kept for one user.
const maxAddresses = 32

// failures is a row of guess_addresses.
type failures struct {
	Day      int64 `db:"day"`
	Failures int64 `db:"failures"`
}

var selectFailures = selects[failures]("SELECT day, failures FROM guess_addresses")

func (tx *sqlReadTx) Address(slot int64, userID, address string) (a model.Address, err error) {
	tx.sees("guess_addresses", strconv.FormatInt(slot, 10))
	tx.sees("user_addresses", userID)
	found, err := selectFailures.all(tx, " WHERE slot = ?", slot)
	if err != nil {
		return a, err
	}
	for _, f := range found {
		a.Day, a.Failures = f.Day, f.Failures
	}
	last, err := value[model.Time](tx, "SELECT last_success FROM user_addresses WHERE user_id = ? AND address = ?", userID, address)
	if errors.Is(err, ErrNone) {
		return a, nil
	}
	a.LastSuccess = last
	return a, err
}

func (tx *sqlTx) AddressFailed(slot int64, a *model.Address) error {
	return tx.change("guess_addresses", strconv.FormatInt(slot, 10), `INSERT INTO guess_addresses (slot, day, failures) VALUES (?, ?, ?)
		ON CONFLICT (slot) DO UPDATE SET day = excluded.day, failures = excluded.failures`, slot, a.Day, a.Failures)
}

func (tx *sqlTx) AddressKnown(userID, address string, now model.Time) error {
	err := tx.change("user_addresses", userID, `INSERT INTO user_addresses (user_id, address, last_success) VALUES (?, ?, ?)
		ON CONFLICT (user_id, address) DO UPDATE SET last_success = excluded.last_success`, userID, address, now)
	if err != nil {
		return err
	}
	return tx.change("user_addresses", userID, `DELETE FROM user_addresses WHERE user_id = ? AND (last_success < ? OR address NOT IN
		(SELECT address FROM user_addresses WHERE user_id = ? ORDER BY last_success DESC, address LIMIT ?))`,
		userID, now-model.AddressKnown, userID, int64(maxAddresses))
}
