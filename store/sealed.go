package store

import (
	"bytes"
	"fmt"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store/keyring"
)

// sealedColumn is a column with sealed values. The Place of each value names the column and the row.
type sealedColumn struct {
	table, column, key string
	only               string // condition on the rows; "" for all rows

	index  string                                                        // column with the keyed hash of the value's digest (seedIndex), made again with the seal; "" if none
	digest func(tx *sqlReadTx, row string, value []byte) ([]byte, error) // returns that digest
}

// digestOfToken returns the digest of a token's seed.
func digestOfToken(tx *sqlReadTx, row string, seed []byte) ([]byte, error) {
	if len(seed) <= otp.ShortKey {
		return seedDigest(seed, ""), nil
	}
	product, err := value[string](tx, "SELECT product_id FROM tokens WHERE id = ?", row)
	if err != nil {
		return nil, err
	}
	return tx.seedDigest(seed, product)
}

// sameDigest returns a value that is already a digest.
func sameDigest(_ *sqlReadTx, _ string, digest []byte) ([]byte, error) { return digest, nil }

// sealedColumns lists all sealed columns. Rotation and checks use this list. The canary is last: once it is sealed with a new
// key, everything is.
var sealedColumns = []sealedColumn{
	{table: "tokens", column: "seed", key: "id", index: "seed_index", digest: digestOfToken},
	{table: "seed_marks", column: "digest", key: "id", index: "seed_index", digest: sameDigest},
	{table: "users", column: "password", key: "id"},
	{table: "token_assignments", column: "pin", key: "id"},
	{table: "token_assignments", column: "activation", key: "id"},
	{table: "user_states", column: "passcode", key: "user_id"},
	{table: "temp_passes", column: "password", key: "id"},
	{table: "deliveries", column: "body", key: "id"},
	{table: "client_tokens", column: "sealed", key: "id"},
	{table: "installation_codes", column: "code", key: "id"},
	{table: "idempotency_keys", column: "reply", key: "id"},
	{table: "radius_clients", column: "secret", key: "id"},
	{table: "radius_clients", column: "old_secret", key: "id"},
	{table: "radius_notes", column: "content", key: "id"},
	{table: "meta", column: "value", key: "name", only: " AND name = '" + metaCanary + "'"},
}

// macIndex is a column of keyed hashes (Keyring.MAC) that finds rows by their sealed value. It is listed here so that a rotation
// makes it again, in one transaction, from the sealed values.
type macIndex struct {
	table, column, key string
	sealed             string              // the column with the sealed value
	purpose            string              // purpose of the MAC
	normal             func([]byte) []byte // returns the bytes that are hashed for a value
}

var macIndexes = []macIndex{
	{table: "installation_codes", column: "code_index", key: "id", sealed: "code", purpose: CodePurpose,
		normal: func(code []byte) []byte { return []byte(model.NormalCode(string(code))) }},
}

// CodePurpose is the purpose of the keyed hashes that find installation codes.
const CodePurpose = "installation code"

// SealedColumns returns the names of the sealed columns as "table.column".
func SealedColumns() (names []string) {
	for _, c := range sealedColumns {
		names = append(names, c.table+"."+c.column)
	}
	return names
}

// keys returns the keys of the next rows with a sealed value, in order. With other, it returns only rows that are not sealed with
// that key. It does not return the values, because some are large; they are read one at a time.
func (c *sealedColumn) keys(tx *sqlReadTx, after string, most int, other *keyring.Key) ([]string, error) {
	where, args := "", []any{after}
	if other != nil {
		where, args = fmt.Sprintf(" AND substr(%s, 1, %d) <> ?", c.column, keyring.KeyIDBytes), append(args, other.ID[:])
	}
	return values[string](tx, fmt.Sprintf("SELECT %s FROM %s WHERE %s > ? AND %s IS NOT NULL%s%s ORDER BY %s LIMIT ?",
		c.key, c.table, c.key, c.column, c.only, where, c.key), append(args, most)...)
}

func (c *sealedColumn) read(tx *sqlReadTx, key string) ([]byte, error) {
	return value[[]byte](tx, fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", c.column, c.table, c.key), key)
}

// open reads and unseals the value of a row.
func (c *sealedColumn) open(tx *sqlReadTx, key string) ([]byte, error) {
	sealed, err := c.read(tx, key)
	if err != nil {
		return nil, err
	}
	return tx.store.keys.Unseal(c.place(key), sealed)
}

func (c *sealedColumn) put(tx *sqlTx, column, key string, value []byte) error {
	_, err := tx.exec(fmt.Sprintf("UPDATE %s SET %s = ? WHERE %s = ?", c.table, column, c.key), value, key)
	return err
}

func (c *sealedColumn) place(row string) keyring.Place {
	return keyring.Place{Table: c.table, Column: c.column, Row: row}
}

// under returns whether a value was sealed with a key.
func under(m *keyring.Key, sealed []byte) bool { return bytes.HasPrefix(sealed, m.ID[:]) }
