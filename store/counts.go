package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// counted is a table whose rows are counted by some of its columns, none of which is ever NULL. The counts have the same columns, a
// slot and the number n.
type counted struct {
	table, counts string
	columns       []string
}

// countedTables are all of them. A migration that makes one of these tables anew drops its triggers with it: it must call keepCounts.
var countedTables = []counted{
	{"tokens", "token_counts", []string{"status", "product_id", "repository_id"}},
	{"users", "user_counts", []string{"status", "domain_id"}},
	{"devices", "device_counts", []string{"status"}},
}

// slots is how many slots a number has at most on PostgreSQL, where the slot follows from the connection. Two connections of one slot wait
// for each other, so there are many more slots than connections. Recount leaves one.
const slots = 1024

// keepCounts makes the triggers that count, and counts what there is.
func keepCounts(tx *sqlTx) error {
	for _, c := range countedTables {
		triggers := c.postgresTriggers
		if tx.store.dialect.serial {
			triggers = c.sqliteTriggers
		}
		for _, statement := range triggers() {
			if _, err := tx.exec(statement); err != nil {
				return err
			}
		}
		if _, err := tx.exec(c.count()); err != nil {
			return err
		}
	}
	return nil
}

// each writes a text for each column, joined by sep. COLUMN stands for its name.
func (c *counted) each(text, sep string) string {
	all := make([]string, len(c.columns))
	for i, name := range c.columns {
		all[i] = strings.ReplaceAll(text, "COLUMN", name)
	}
	return strings.Join(all, sep)
}

// list is the columns, separated by commas.
func (c *counted) list() string { return strings.Join(c.columns, ", ") }

// count returns the statement that fills the empty counts.
func (c *counted) count() string {
	return fmt.Sprintf("INSERT INTO %s (%s, slot, n) SELECT %[2]s, 0, COUNT(*) FROM %[3]s GROUP BY %[2]s", c.counts, c.list(), c.table)
}

// sqliteTriggers work row by row. SQLite has one writer, so one slot is enough.
func (c *counted) sqliteTriggers() []string {
	more := func(row string) string {
		return fmt.Sprintf("INSERT INTO %s (%s, slot, n) VALUES (%s, 0, 1) ON CONFLICT (%[2]s, slot) DO UPDATE SET n = n + 1;",
			c.counts, c.list(), c.each(row+".COLUMN", ", "))
	}
	less := fmt.Sprintf("UPDATE %s SET n = n - 1 WHERE %s AND slot = 0;", c.counts, c.each("COLUMN = OLD.COLUMN", " AND "))
	return []string{
		fmt.Sprintf("CREATE TRIGGER %s_more AFTER INSERT ON %s BEGIN %s END", c.counts, c.table, more("NEW")),
		fmt.Sprintf("CREATE TRIGGER %s_less AFTER DELETE ON %s BEGIN %s END", c.counts, c.table, less),
		fmt.Sprintf("CREATE TRIGGER %s_moved AFTER UPDATE OF %s ON %s WHEN %s BEGIN %s %s END", c.counts, c.list(), c.table,
			c.each("OLD.COLUMN <> NEW.COLUMN", " OR "), less, more("NEW")),
	}
}

// postgresTriggers count what a statement inserts or deletes at once. The order of the rows is always the same, so that no two
// connections of one slot wait for each other.
func (c *counted) postgresTriggers() []string {
	add := func(rows string) string {
		return fmt.Sprintf("INSERT INTO %s AS c (%s, slot, n) SELECT %[2]s, pg_backend_pid() %% %d, SUM(one) FROM (%s) AS rows GROUP BY %[2]s "+
			"HAVING SUM(one) <> 0 ORDER BY %[2]s ON CONFLICT (%[2]s, slot) DO UPDATE SET n = c.n + excluded.n;", c.counts, c.list(), slots, rows)
	}
	var all []string
	trigger := func(name, rows, when string) {
		all = append(all,
			fmt.Sprintf("CREATE FUNCTION %s_%s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s RETURN NULL; END $$", c.counts, name, add(rows)),
			fmt.Sprintf("CREATE TRIGGER %s_%s %s EXECUTE FUNCTION %[1]s_%[2]s()", c.counts, name, when))
	}
	trigger("more", "SELECT "+c.list()+", 1 AS one FROM changed", "AFTER INSERT ON "+c.table+" REFERENCING NEW TABLE AS changed FOR EACH STATEMENT")
	trigger("less", "SELECT "+c.list()+", -1 AS one FROM changed", "AFTER DELETE ON "+c.table+" REFERENCING OLD TABLE AS changed FOR EACH STATEMENT")
	trigger("moved", "SELECT "+c.each("OLD.COLUMN", ", ")+", -1 AS one UNION ALL SELECT "+c.each("NEW.COLUMN", ", ")+", 1",
		"AFTER UPDATE OF "+c.list()+" ON "+c.table+" FOR EACH ROW WHEN ("+c.each("OLD.COLUMN <> NEW.COLUMN", " OR ")+")")
	return all
}

// countsOf returns the counts by which rows of a table with these conditions can be counted; nil if there are none, because a condition
// asks for something else.
func countsOf(table string, conds []Cond) *counted {
	at := slices.IndexFunc(countedTables, func(c counted) bool { return c.table == table })
	if at < 0 {
		return nil
	}
	c := &countedTables[at]
	for _, cond := range conds {
		column := cond.Column
		if len(cond.Path) > 0 {
			column = cond.Path[0].From
		}
		if !slices.Contains(c.columns, column) {
			return nil
		}
	}
	return c
}

// counting returns the beginning of the statement that counts the rows of a table with these conditions.
func (b *builder) counting(table string, conds []Cond) string {
	if c := countsOf(table, append(conds[:len(conds):len(conds)], b.scope.of(table)...)); c != nil {
		return "SELECT CAST(COALESCE(SUM(t0.n), 0) AS BIGINT) FROM " + c.counts + " t0"
	}
	return "SELECT COUNT(*) FROM " + table + " t0"
}

// groups reads numbers of rows by the values of the columns.
func (c *counted) groups(tx *sqlReadTx, number, from string) (map[string]int64, error) {
	all := map[string]int64{}
	err := tx.query(tx.ctx, fmt.Sprintf("SELECT %s, CAST(%s AS BIGINT) FROM %s GROUP BY %[1]s", c.list(), number, from), nil, func(rows *sqlx.Rows) error {
		values, into := make([]string, len(c.columns)), make([]any, len(c.columns)+1)
		var n int64
		for i := range values {
			into[i] = &values[i]
		}
		into[len(values)] = &n
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			if n != 0 {
				all[strings.Join(values, " ")] = n
			}
		}
		return rows.Err()
	})
	return all, err
}

// miscounted returns how many counts differ from what there is.
func (c *counted) miscounted(tx *sqlReadTx) (wrong int64, err error) {
	kept, err := c.groups(tx, "SUM(n)", c.counts)
	if err != nil {
		return 0, err
	}
	have, err := c.groups(tx, "COUNT(*)", c.table)
	for values, n := range have {
		if kept[values] != n {
			wrong++
		}
		delete(kept, values)
	}
	return wrong + int64(len(kept)), err
}

// checkCounts returns an error if the counts do not fit what there is.
func (tx *sqlReadTx) checkCounts() error {
	for _, c := range countedTables {
		switch wrong, err := c.miscounted(tx); {
		case err != nil:
			return err
		case wrong > 0:
			return fmt.Errorf("%d numbers of %s differ from what %s holds: tokensmith check --counters counts anew", wrong, c.counts, c.table)
		}
	}
	return nil
}

func (s *sqlStore) Recount(ctx context.Context) (wrong int64, err error) {
	err = s.update(ctx, updateUnbounded, func(tx *sqlTx) error {
		wrong = 0
		for _, c := range countedTables {
			n, err := c.miscounted(&tx.sqlReadTx)
			if err != nil {
				return err
			}
			wrong += n
			if _, err := tx.exec("DELETE FROM " + c.counts); err != nil {
				return err
			}
			if _, err := tx.exec(c.count()); err != nil {
				return err
			}
		}
		return nil
	})
	return wrong, err
}

const (
	day = 24 * time.Hour

	// countsKept is for how long it is known how many there were.
	countsKept = 400 * day
)

func dayOf(t time.Time) int64 { return t.UnixMilli() / day.Milliseconds() }

func (s *sqlStore) KeepCounts(ctx context.Context, now time.Time) error {
	today := dayOf(now)
	var have int64
	err := s.view(ctx, true, func(tx *sqlReadTx) (err error) {
		have, err = value[int64](tx, "SELECT COUNT(*) FROM count_days WHERE day = ?", today)
		return err
	})
	if err != nil || have > 0 {
		return err
	}
	return s.update(ctx, updateShort, func(tx *sqlTx) error {
		for _, c := range countedTables {
			if _, err := tx.exec("INSERT INTO count_days (day, name, n) SELECT CAST(? AS BIGINT), CAST(? AS TEXT), CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM "+
				c.counts+" WHERE TRUE ON CONFLICT DO NOTHING", today, c.table); err != nil {
				return err
			}
		}
		_, err := tx.exec("DELETE FROM count_days WHERE day < ?", dayOf(now.Add(-countsKept)))
		return err
	})
}

// statusCounted is how many of something there are with a status.
type statusCounted struct {
	Name string `db:"name"`
	model.StatusCount
}

// dayCounted is how many of something there were on a day.
type dayCounted struct {
	Name string `db:"name"`
	Day  int64  `db:"day"`
	N    int64  `db:"n"`
}

var (
	selectStatusCounts = selects[statusCounted](statusCounts())
	selectDayCounts    = selects[dayCounted]("SELECT name, day, n FROM count_days")
)

// statusCounts returns the query for the numbers of all countedTables by status.
func statusCounts() string {
	var all []string
	for _, c := range countedTables {
		all = append(all, "SELECT '"+c.table+"' AS name, status, CAST(SUM(n) AS BIGINT) AS total FROM "+c.counts+" GROUP BY status")
	}
	return "SELECT name, status, total FROM (" + strings.Join(all, " UNION ALL ") + ") AS counted"
}

// counts reads how many there are, and how many there were a week before now, or as long ago as is known.
func (tx *sqlReadTx) counts(now model.Time) ([]model.Counted, error) {
	totals, err := selectStatusCounts.all(tx, " WHERE total <> 0 ORDER BY name, status")
	if err != nil {
		return nil, err
	}
	week := (int64(now) - 7*day.Milliseconds()) / day.Milliseconds()
	before, err := selectDayCounts.all(tx, " WHERE day = COALESCE((SELECT MAX(day) FROM count_days WHERE day <= ?), (SELECT MIN(day) FROM count_days))", week)
	if err != nil {
		return nil, err
	}
	all := make([]model.Counted, len(countedTables))
	for i, c := range countedTables {
		all[i].Name = c.table
		for _, s := range totals {
			if s.Name == c.table {
				all[i].ByStatus = append(all[i].ByStatus, s.StatusCount)
				all[i].Total += s.Total
			}
		}
		for _, b := range before {
			if b.Name == c.table {
				all[i].Before, all[i].Since = b.N, model.Time(b.Day*day.Milliseconds())
			}
		}
	}
	return all, nil
}
