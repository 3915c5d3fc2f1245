package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// pipeline wraps a connection of pgx to save round trips. BEGIN is sent with the first statement of a transaction. Statements
// whose result nobody waits for (see sqlTx.later) are sent with the next statement, and COMMIT with the last of them. A
// transaction that ran nothing sends nothing. If a deferred statement fails, the statement that it was sent with returns the
// error.
type pipeline struct {
	*stdlib.Conn
	outage *outage
	born   int64 // the generation of the connection; see outage

	inTx  bool
	sent  bool       // BEGIN was sent
	queue *pgx.Batch // statements that were not sent yet; nil if there are none
}

// maxQueue is how many statements are deferred before they are sent.
const maxQueue = 512

// pipelines is the connector that opens pipelines.
type pipelines struct {
	driver.Connector
	outage *outage
}

func (p pipelines) Connect(ctx context.Context) (driver.Conn, error) {
	born := p.outage.generation.Load()
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		if ctx.Err() == nil && postgresClass(err) == lost {
			p.outage.down.Store(true)
		}
		return nil, err
	}
	return &pipeline{Conn: conn.(*stdlib.Conn), outage: p.outage, born: born}, nil
}

var begins = map[sql.IsolationLevel]string{
	sql.LevelDefault: "begin", sql.LevelReadCommitted: "begin isolation level read committed",
	sql.LevelRepeatableRead: "begin isolation level repeatable read", sql.LevelSerializable: "begin isolation level serializable",
}

// narrow makes a transaction use indexes even where a table is small or has no statistics yet. A serializable transaction that
// scans a whole table conflicts with every transaction that changes a row of it, and one that many logins share would scan it for
// each of them.
const narrow = "set local enable_seqscan = off"

// BeginTx begins a transaction. BEGIN is sent with its first statement.
func (c *pipeline) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	begin := begins[sql.IsolationLevel(opts.Isolation)]
	if begin == "" {
		return nil, fmt.Errorf("isolation level %d is not known", opts.Isolation)
	}
	if opts.ReadOnly {
		begin += " read only"
	}
	c.inTx, c.sent, c.queue = true, false, &pgx.Batch{}
	c.queue.Queue(begin)
	if level := sql.IsolationLevel(opts.Isolation); !opts.ReadOnly && (level == sql.LevelSerializable || level == sql.LevelRepeatableRead) {
		c.queue.Queue(narrow)
	}
	return &pipedTx{c, ctx, c.queue.Len()}, nil
}

// ResetSession refuses a connection that is older than the last loss, because it leads to the same server as the lost one.
func (c *pipeline) ResetSession(ctx context.Context) error {
	if c.old() {
		return driver.ErrBadConn
	}
	return c.Conn.ResetSession(ctx)
}

func (c *pipeline) old() bool { return c.born != c.outage.generation.Load() }

// Close sends a termination message only to a server that may receive it.
func (c *pipeline) Close() error {
	if c.old() {
		c.Conn.Conn().PgConn().Conn().Close()
		c.Conn.Close() // returns an error, because the socket is closed
		return nil
	}
	return c.Conn.Close()
}

// saw returns err and, if err says so, records the connection as lost.
func (c *pipeline) saw(err error) error {
	if err != nil && postgresClass(err) == lost {
		c.outage.connLost(c.born)
	}
	return err
}

type laterKey struct{}

// ExecContext runs a statement, or defers it if the caller does not wait for its result.
func (c *pipeline) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.inTx && ctx.Value(laterKey{}) != nil && (c.queue == nil || c.queue.Len() < maxQueue) {
		if c.queue == nil {
			c.queue = &pgx.Batch{}
		}
		c.queue.Queue(query, plain(args)...)
		return driver.RowsAffected(0), nil
	}
	if c.queue == nil {
		result, err := c.Conn.ExecContext(ctx, query, args)
		return result, c.saw(err)
	}
	answers, err := c.send(ctx, statement{query, plain(args)})
	if err != nil {
		return nil, err
	}
	tag, err := answers.Exec()
	return driver.RowsAffected(tag.RowsAffected()), c.ended(answers, err)
}

// QueryContext runs a query. Deferred statements are sent with it, and the queries that the context has at furtherKey, whose rows
// are further result sets. Several with the same text, one after the other, are sent as one.
func (c *pipeline) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	further, _ := ctx.Value(furtherKey{}).([]statement)
	if c.queue == nil && len(further) == 0 {
		rows, err := c.Conn.QueryContext(ctx, query, args)
		return rows, c.saw(err)
	}
	all := make([]statement, 0, 1+len(further))
	all = append(all, statement{query, plain(args)})
	for _, s := range further {
		values := make([]any, len(s.args))
		for i, a := range s.args {
			var err error
			if values[i], err = driver.DefaultParameterConverter.ConvertValue(a); err != nil {
				return nil, err
			}
		}
		all = append(all, statement{s.text, values})
	}
	r := &pipedRows{}
	var send []statement
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].text == all[0].text {
			n++
		}
		together, ok := lateral(all[:n])
		if n == 1 || !ok {
			n, together = 1, all[0]
		}
		send, r.sets = append(send, together), append(r.sets, n)
		all = all[n:]
	}
	var err error
	if r.answers, err = c.send(ctx, send...); err != nil {
		return nil, err
	}
	if err = r.open(); err != nil { // a query's error appears only with its first row, and the caller expects it here
		return nil, c.ended(r.answers, err)
	}
	return r, nil
}

// send sends the deferred statements, then others. It reads the results of the deferred ones.
func (c *pipeline) send(ctx context.Context, statements ...statement) (pgx.BatchResults, error) {
	batch, before := c.queue, 0
	if batch == nil {
		batch = &pgx.Batch{}
	} else {
		before = batch.Len()
	}
	c.queue, c.sent = nil, true
	for _, s := range statements {
		batch.Queue(s.text, s.args...)
	}
	answers := c.Conn.Conn().SendBatch(ctx, batch)
	for range before {
		if _, err := answers.Exec(); err != nil {
			answers.Close() // returns the same error
			return nil, c.saw(err)
		}
	}
	return answers, nil
}

// ended closes the results and returns their error.
func (c *pipeline) ended(answers pgx.BatchResults, err error) error {
	if closed := answers.Close(); err == nil {
		err = closed
	}
	return c.saw(err)
}

func plain(args []driver.NamedValue) []any {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	return values
}

// pipedTx is a transaction on a pipeline.
type pipedTx struct {
	c     *pipeline
	ctx   context.Context
	begin int // number of statements that begin it
}

// Commit commits the transaction. resultOfCommit tells from the error whether the server refused.
func (tx *pipedTx) Commit() error {
	c := tx.c
	if !c.sent && c.queue.Len() == tx.begin {
		c.inTx, c.queue = false, nil
		return nil // no statement was run
	}
	var tag pgconn.CommandTag
	var err error
	if c.queue == nil {
		tag, err = c.Conn.Conn().Exec(tx.ctx, "commit")
		c.saw(err)
	} else {
		var answers pgx.BatchResults
		if answers, err = c.send(tx.ctx, statement{"commit", nil}); err == nil {
			tag, err = answers.Exec()
			err = c.ended(answers, err)
		}
	}
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	c.inTx, c.queue = false, nil
	if err != nil && !c.Conn.Conn().IsClosed() && c.Conn.Conn().PgConn().TxStatus() != 'I' {
		tx.undo() // COMMIT was not executed
	}
	return err
}

// Rollback rolls the transaction back.
func (tx *pipedTx) Rollback() error {
	c := tx.c
	begun := c.sent
	c.inTx, c.queue = false, nil
	if !begun {
		return nil
	}
	if c.Conn.Conn().IsClosed() {
		return driver.ErrBadConn
	}
	return tx.undo()
}

func (tx *pipedTx) undo() error {
	_, err := tx.c.Conn.Conn().Exec(tx.ctx, "rollback")
	if err != nil {
		// The state of the connection is unknown.
		err = tx.c.saw(err)
		tx.c.Conn.Conn().PgConn().Conn().Close()
		tx.c.Conn.Close()
	}
	return err
}

// pipedRows are the rows of queries that were sent together with other statements. Each query has one result set, or as many as it
// was made of by lateral.
type pipedRows struct {
	answers pgx.BatchResults
	sets    []int // for the query that is read and each one that follows, how many result sets it has
	rows    pgx.Rows
	set     int64 // the number of the result set within its query, counted from 1

	more   bool  // values are those of the next row
	of     int64 // the number of the result set that it belongs to
	values []any
	err    error // why there is no next row
}

// hidden is the number of columns that lateral adds.
const hidden = 2

func (r *pipedRows) several() bool { return r.sets[0] > 1 }

// open begins to read a query.
func (r *pipedRows) open() error {
	r.set = 1
	if r.rows, r.err = r.answers.Query(); r.err != nil {
		return r.err
	}
	r.advance()
	return r.err
}

// advance reads the next row.
func (r *pipedRows) advance() {
	if r.more = r.rows.Next(); !r.more {
		r.err = r.rows.Err()
		return
	}
	if r.values, r.err = r.rows.Values(); r.err != nil {
		r.more = false
		return
	}
	if r.several() {
		r.of, r.values = r.values[0].(int64), r.values[hidden:]
	} else {
		r.of = 1
	}
}

func (r *pipedRows) Columns() []string {
	var names []string
	for _, f := range r.rows.FieldDescriptions() {
		names = append(names, f.Name)
	}
	if r.several() {
		names = names[hidden:]
	}
	return names
}

func (r *pipedRows) Close() error {
	r.rows.Close()
	if err := r.answers.Close(); err != nil {
		return err
	}
	return r.rows.Err()
}

// HasNextResultSet implements driver.RowsNextResultSet.
func (r *pipedRows) HasNextResultSet() bool { return r.set < int64(r.sets[0]) || len(r.sets) > 1 }

// NextResultSet implements driver.RowsNextResultSet.
func (r *pipedRows) NextResultSet() error {
	if !r.HasNextResultSet() {
		return io.EOF
	}
	if r.set < int64(r.sets[0]) {
		for r.set++; r.more && r.of < r.set; {
			r.advance()
		}
		return r.err
	}
	r.rows.Close()
	if err := r.rows.Err(); err != nil {
		return err
	}
	r.sets = r.sets[1:]
	return r.open()
}

func (r *pipedRows) Next(dest []driver.Value) (err error) {
	if !r.more || r.of != r.set {
		return cmp.Or(r.err, io.EOF)
	}
	for i, v := range r.values {
		if dest[i], err = driver.DefaultParameterConverter.ConvertValue(v); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	r.advance()
	return nil
}
