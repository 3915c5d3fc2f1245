package faulty

import (
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

// Faults decides by a seed. It is for one database of one kind. Several goroutines get what the seed says in the order in which they
// come.
type Faults struct {
	Rate     int  // of a thousand points, how many fail by themselves
	Postgres bool // SQLite else

	mu   sync.Mutex
	rng  *rand.Rand
	mode error // what all that writes gets for a while: the disk is full, or the database read-only; or what everything gets
	all  bool  // then: reading as well
	left int   // points until it is over

	counts [5]int // of what was made to fail, by Op
}

// NewFaults makes one whose decisions are a seed's.
func NewFaults(seed uint64, postgres bool, rate int) *Faults {
	return &Faults{Rate: rate, Postgres: postgres, rng: rand.New(rand.NewPCG(seed, 24))}
}

// Set changes how many of a thousand points fail; 0 also ends whatever is under way.
func (f *Faults) Set(rate int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Rate = rate
	if rate == 0 {
		f.left = 0
	}
}

// Failed returns how much was made to fail.
func (f *Faults) Failed() (all int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.counts {
		all += n
	}
	return all
}

// modeLength is how many points a full or read-only database stays that.
const modeLength = 40

// Decide is what becomes of a point.
func (f *Faults) Decide(p Point) Fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	fate := f.decide(p)
	if fate.Err != nil || fate.Cut {
		f.counts[p.Op]++
	}
	return fate
}

func (f *Faults) decide(p Point) Fate {
	if p.Op == Connect && !f.Postgres {
		return Fate{} // an SQLite database is opened once
	}
	if f.left > 0 {
		f.left--
		// SQLite undoes whatever happens: it needs no room for that.
		if (f.all || p.Writes()) && p.Op != Rollback {
			return Fate{Err: f.mode, Undo: f.one(2)}
		}
		return Fate{}
	}
	if f.rng.IntN(1000) >= f.Rate {
		return Fate{}
	}
	if f.one(8) {
		f.left = 1 + f.rng.IntN(modeLength)
		f.mode, f.all = f.pick(liteModes, postgresModes), f.one(3)
	}
	if f.Postgres {
		return f.postgres(p)
	}
	return f.sqlite(p)
}

func (f *Faults) one(of int) bool { return f.rng.IntN(of) == 0 }

func (f *Faults) pick(lite []sqlite3.ErrNo, postgres []string) error {
	if f.Postgres {
		return &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: postgres[f.rng.IntN(len(postgres))], Message: "failed on purpose"}
	}
	return sqlite3.Error{Code: lite[f.rng.IntN(len(lite))]}
}

// What either says of itself (sqlite.org/rescode.html, PostgreSQL's Appendix A): the disk is full, or it takes no changes, or fails.
var (
	liteModes     = []sqlite3.ErrNo{sqlite3.ErrFull, sqlite3.ErrReadonly, sqlite3.ErrIoErr}
	postgresModes = []string{"53100", "25006", "57014"}

	liteErrors     = []sqlite3.ErrNo{sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrBusy, sqlite3.ErrNomem, sqlite3.ErrReadonly, sqlite3.ErrProtocol}
	postgresErrors = []string{"40001", "40P01", "53100", "57014", "55P03", "53200"}
)

// sqlite: SQLite says itself what happened, and its connections are never cut. It may end the whole transaction by itself (see
// sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction"). A ROLLBACK it always does.
func (f *Faults) sqlite(p Point) Fate {
	return Fate{Err: f.pick(liteErrors, nil), Late: f.one(2) || p.Op == Rollback, Undo: f.one(3) && p.Op != Commit}
}

// postgres: a connection may be cut at any moment, so that nobody knows whether what was sent was done.
func (f *Faults) postgres(p Point) Fate {
	if p.Op == Connect {
		return Fate{Err: errors.Join(driver.ErrBadConn, errors.New("cannot connect on purpose"))}
	}
	if f.one(2) {
		return Fate{Err: driver.ErrBadConn, Cut: true, Late: f.one(2)}
	}
	if p.Op == Commit || p.Op == Begin {
		return Fate{Err: f.pick(nil, postgresErrors[:1])} // a refused COMMIT did nothing
	}
	return Fate{Err: f.pick(nil, postgresErrors)}
}
