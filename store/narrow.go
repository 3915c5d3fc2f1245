package store

import (
	"fmt"
	"strings"
)

// narrowStates makes the tables of what every login changes WITHOUT ROWID on SQLite (https://sqlite.org/withoutrowid.html): a row
// lies in the index of its key, and is found there, instead of behind a number that the index leads to. That is two pages
// less of the ten that a login of somebody else each time reads. Their columns stay whatever they are.
func narrowStates(tx *sqlTx) error {
	if !tx.store.dialect.serial {
		return nil
	}
	for _, table := range []string{"user_states", "token_states"} {
		made, err := value[string](&tx.sqlReadTx, "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table)
		if err != nil {
			return err
		}
		columns, ok := strings.CutPrefix(made, "CREATE TABLE "+table+" ")
		if !ok {
			return fmt.Errorf("the table %s was not made by tokensmith", table)
		}
		for _, statement := range []string{
			"CREATE TABLE " + table + "_narrow " + columns + " WITHOUT ROWID",
			"INSERT INTO " + table + "_narrow SELECT * FROM " + table,
			"DROP TABLE " + table,
			"ALTER TABLE " + table + "_narrow RENAME TO " + table,
		} {
			if _, err := tx.exec(statement); err != nil {
				return err
			}
		}
	}
	return nil
}
