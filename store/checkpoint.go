package store

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// SQLite must copy the contents of its write-ahead log to the database file before it can restart the log from the beginning. The
// Update whose commit makes the log longer than checkpointPages does this copying, and all others wait. To keep that short, a
// checkpointer copies most of the log earlier, and waits for the disk, while Updates go on.
const (
	checkpointPages = 8192 // of 4 kB
	checkpointPause = 200 * time.Millisecond
)

type checkpointer struct {
	conn      *sqlx.Conn
	committed chan struct{} // holds one element while there is something new in the log
	closed    chan struct{} // closed by close
	ended     chan struct{} // closed when run has returned
}

func newCheckpointer(conn *sqlx.Conn) *checkpointer {
	c := &checkpointer{conn: conn, committed: make(chan struct{}, 1), closed: make(chan struct{}), ended: make(chan struct{})}
	go c.run()
	return c
}

// commit tells the checkpointer that an Update was committed.
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
		case <-c.closed: // the connection that closes the database last makes the checkpoint
			return
		case <-pause.C:
		}
		// If it cannot copy something, because a View reads an old snapshot or the disk is full, a later checkpoint does.
		c.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
	}
}

// close stops the checkpointer. No Update may be running.
func (c *checkpointer) close() error {
	close(c.closed)
	<-c.ended
	return c.conn.Close()
}
