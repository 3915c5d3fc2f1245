package store

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// A write-ahead log must be written to its places before it can begin anew. Whoever makes it longer than checkpointPages does
// so at his commit, and everybody waits. Most of it is done before: a checkpointer copies what the log holds and waits for the
// disk while Updates go on, so that little is left for that commit.
const (
	checkpointPages = 8192 // of 4 kB
	checkpointPause = 200 * time.Millisecond
)

type checkpointer struct {
	conn      *sqlx.Conn
	committed chan struct{} // holds one when there is something new in the log
	closed    chan struct{} // closed by close
	ended     chan struct{} // closed when it has ended
}

func newCheckpointer(conn *sqlx.Conn) *checkpointer {
	c := &checkpointer{conn: conn, committed: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{})}
	go c.run()
	return c
}

// commit says that there was one.
func (c *checkpointer) commit() {
	select {
	case c.committed <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run() {
	defer close(c.ended)
	pause := time.NewTimer(0)
	for {
		select {
		case <-c.closed:
			return
		case <-c.committed:
		}
		pause.Reset(checkpointPause)
		select {
		case <-c.closed: // who closes the database last does it then
			return
		case <-pause.C:
		}
		// What it cannot do, for somebody reads an old snapshot or the disk is full, the next one does.
		c.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
	}
}

// close ends it; no Update is under way then.
func (c *checkpointer) close() error {
	close(c.closed)
	<-c.ended
	return c.conn.Close()
}
