package radius

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

// clients knows the clients of this server, as long as store.MaxCallerAge allows without asking the database again.
type clients struct {
	core *dispatch.Server
	mu   sync.Mutex // held while they are read
	list atomic.Pointer[clientList]

	ways    sync.Mutex // held while ways are read
	wayList sync.Map   // of *way, by the id of the application
}

// way is how users log on to an application.
type way struct {
	version int64
	read    time.Time
	users   store.Scope // who they are; nil for all
	steps   []model.Step
	mark    []byte // a hash of the application and the steps
}

// slow returns whether passwords may have to be compared, which is slow on purpose.
func (w *way) slow() bool {
	return slices.ContainsFunc(w.steps, func(s model.Step) bool { return slices.Contains(s.Codes, model.StaticCode) })
}

type clientList struct {
	version int64     // store.CallerChanges when they were read
	read    time.Time // on the monotonic clock
	all     []*knownClient
	prompts map[string]model.Template
	slow    time.Time // when prompts were read
}

// knownClient is a client with its secrets.
type knownClient struct {
	model.RadiusClient
	prefix      netip.Prefix // not valid if it is known by a certificate
	secret, old model.Secret
	attributes  []replyAttribute
	grouped     bool         // some attributes are for a group
	agent       *model.Agent // what it is to the methods
	log         *burst
}

// slowly is how long prompts are used without asking the database.
const slowly = time.Second

// current returns the clients.
func (s *clients) current(ctx context.Context) (*clientList, error) {
	if l := s.fresh(); l != nil {
		return l, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.fresh(); l != nil {
		return l, nil
	}
	before := s.list.Load()
	l := &clientList{version: s.core.Config.Store.CallerChanges(), read: time.Now()}
	err := s.core.Config.Store.View(ctx, func(tx store.ReadTx) error { return s.load(tx, l, before) })
	if err != nil {
		return nil, err
	}
	s.list.Store(l)
	return l, nil
}

// fresh returns the clients if they may be used; else nil.
func (s *clients) fresh() *clientList {
	if l := s.list.Load(); l != nil && s.usable(l.version, l.read) {
		return l
	}
	return nil
}

// usable returns whether what was read then may still be used.
func (s *clients) usable(version int64, read time.Time) bool {
	return version >= 0 && version == s.core.Config.Store.CallerChanges() && time.Since(read) < store.MaxCallerAge
}

// wayOf returns how users log on to an application.
func (s *clients) wayOf(ctx context.Context, application string) (*way, error) {
	known := func() *way {
		if found, ok := s.wayList.Load(application); ok && s.usable(found.(*way).version, found.(*way).read) {
			return found.(*way)
		}
		return nil
	}
	if w := known(); w != nil {
		return w, nil
	}
	s.ways.Lock()
	defer s.ways.Unlock()
	if w := known(); w != nil {
		return w, nil
	}
	w := &way{version: s.core.Config.Store.CallerChanges(), read: time.Now()}
	err := s.core.Config.Store.View(ctx, func(tx store.ReadTx) (err error) {
		if w.users, err = logon.Users(tx, application); err == nil {
			w.steps, err = logon.Steps(tx, application)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(w.steps)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(keyring.Message(application, text))
	w.mark = sum[:]
	s.wayList.Store(application, w)
	return w, nil
}

// load reads the clients. What has not changed since before is taken from there.
func (s *clients) load(tx store.ReadTx, l, before *clientList) error {
	l.all = nil
	rows, err := tx.RadiusClients()
	if err != nil {
		return err
	}
	if before != nil && l.read.Sub(before.slow) < slowly {
		l.slow, l.prompts = before.slow, before.prompts
	} else {
		l.slow, l.prompts = l.read, map[string]model.Template{}
		for _, name := range model.Prompts {
			if l.prompts[name], err = tx.TemplateByName(name); err != nil {
				return err
			}
		}
	}
	for i := range rows {
		c := &knownClient{RadiusClient: rows[i]}
		if err := s.complete(c, before); err != nil {
			return err
		}
		l.all = append(l.all, c)
	}
	// The smallest range comes first.
	slices.SortStableFunc(l.all, func(a, b *knownClient) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return nil
}

// complete sets what follows from the row of a client.
func (s *clients) complete(c *knownClient, before *clientList) error {
	c.log = new(burst)
	if before != nil {
		at := slices.IndexFunc(before.all, func(b *knownClient) bool { return b.ID == c.ID })
		if at >= 0 {
			b := before.all[at]
			c.log = b.log
			if c.LastUpdated == b.LastUpdated && bytes.Equal(c.Secret, b.Secret) && bytes.Equal(c.OldSecret, b.OldSecret) && c.Attributes == b.Attributes {
				c.secret, c.old, c.attributes, c.grouped = b.secret, b.old, b.attributes, b.grouped
			}
		}
	}
	var err error
	if c.secret == nil && c.Secret != nil {
		if c.secret, err = s.core.Keys.Unseal(store.RadiusSecretPlace(c.ID), c.Secret); err != nil {
			return err
		}
		if c.OldSecret != nil {
			if c.old, err = s.core.Keys.Unseal(store.RadiusOldSecretPlace(c.ID), c.OldSecret); err != nil {
				return err
			}
		}
	}
	if c.Certificate != "" {
		c.secret = model.Secret(radsecSecret)
	}
	if c.attributes == nil {
		c.attributes, _ = parseAttributes(c.Attributes)
		c.grouped = slices.ContainsFunc(c.attributes, func(a replyAttribute) bool { return a.group != "" })
	}
	c.prefix, _ = netip.ParsePrefix(c.Address)
	c.agent = &model.Agent{ID: c.ID, Name: model.RecordedRadius + c.Name, Permissions: "auth/logon", Applications: model.List(c.ApplicationID), Status: model.Active}
	return nil
}

// byAddress returns the client with the smallest range that contains an address; nil if there is none.
func (l *clientList) byAddress(from netip.Addr) *knownClient {
	from = from.Unmap().WithZone("")
	for _, c := range l.all {
		if c.prefix.IsValid() && c.prefix.Contains(from) {
			return c
		}
	}
	return nil
}

// byCertificate returns the client with a public key, given by its hash; nil if there is none.
func (l *clientList) byCertificate(hash string) *knownClient {
	for _, c := range l.all {
		if c.Certificate != "" && c.Certificate == hash {
			return c
		}
	}
	return nil
}

// secrets returns the secrets that are taken at a time, the present one first.
func (c *knownClient) secrets(now model.Time) []model.Secret {
	all := make([]model.Secret, 0, 2)
	if len(c.secret) > 0 {
		all = append(all, c.secret)
	}
	if len(c.old) > 0 && now < c.OldSecretUntil {
		all = append(all, c.old)
	}
	return all
}

// burst lets one line pass into the log each second.
type burst struct{ last atomic.Int64 }

// due returns whether a line may be written now.
func (b *burst) due() bool {
	now, last := time.Now().UnixNano(), b.last.Load()
	return now-last >= int64(time.Second) && b.last.CompareAndSwap(last, now)
}

// radsecSecret is the secret of every client that is known by its certificate, because TLS keeps the secrets (RFC 6614, section 2.3).
const radsecSecret = "radsec"
