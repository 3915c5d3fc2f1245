package rpc_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/argon2"

	"tokensmith/model"
	"tokensmith/model/modeltest/promise"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/store"
	"tokensmith/store/storetest/faulty"
)

// simulation is one run: two servers, their database, and what is known of all.
type simulation struct {
	t        *testing.T
	template *template
	tally    *tally           // may be nil
	talk     *strings.Builder // what was asked and answered; nil = nobody listens

	dir       string
	processes [2]process
	turns     *turns
	clock     atomic.Int64 // milliseconds; what the run sleeps comes on top
	began     time.Time    // when the run began; zero = it does not sleep
	ids       atomic.Uint64
	boots     int

	rows                 promise.Rows
	reader               promise.Reader
	calls                int
	steps                int
	agents               []agentSecret
	people               []agentSecret       // administrators who signed in to the console
	told                 map[string][]string // texts that replies had, by the member's name
	kept                 []*simulated        // calls with an idempotency key that were acknowledged
	keyed                map[string]bool     // idempotency keys that were used, with their callers
	once                 promise.Once
	passcodes, signedOut map[string]bool // passcodes that logged in, as they were sealed, and sessions that were ended, by their cookie
	broken               []string
	log                  logBuffer
	wrong                atomic.Pointer[string] // what a server remembered wrongly of logins
}

// process is one of the servers, with what it has in memory.
type process struct {
	store store.Store
	srv   *rpc.Server
}

// now is what the clock of both processes says.
func (w *simulation) now() int64 {
	if w.began.IsZero() {
		return w.clock.Load()
	}
	return w.clock.Load() + time.Since(w.began).Milliseconds()
}

// tally counts what simulations did.
type tally struct {
	mu                              sync.Mutex
	steps, calls, doubtful, crashes int
	answered                        map[string]map[int]int // by method and code
}

func (n *tally) step(calls []*simulated, crashed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answered == nil {
		n.answered = map[string]map[int]int{}
	}
	n.steps++
	if crashed {
		n.crashes++
	}
	for _, c := range calls {
		n.calls++
		code := c.code
		if c.lost || code == 8 {
			n.doubtful++
			code = -1
		}
		if n.answered[c.path] == nil {
			n.answered[c.path] = map[int]int{}
		}
		n.answered[c.path][code]++
	}
}

// never are the methods that never succeeded.
func (n *tally) never() (list []string) {
	for _, m := range rpc.Methods() {
		if n.answered[m.Path][0] == 0 && weightOf(m.Path) > 0 {
			list = append(list, m.Path)
		}
	}
	return list
}

func (n *tally) String() string {
	return fmt.Sprintf("%d steps, %d calls, %d of them in doubt, %d crashes", n.steps, n.calls, n.doubtful, n.crashes)
}

// agentSecret is an agent that calls; without a secret nobody knows it any more.
type agentSecret struct {
	id, secret string
	person     bool // an administrator at the console: the id is the user's, the secret the session's cookie
}

func newSimulation(of *template) *simulation {
	return &simulation{template: of, turns: newTurns(), keyed: map[string]bool{}, passcodes: map[string]bool{}, signedOut: map[string]bool{}}
}

func (w *simulation) say(format string, args ...any) {
	if w.talk != nil {
		fmt.Fprintf(w.talk, format+"\n", args...)
	}
}

// run makes the steps and returns what was broken.
func (w *simulation) run(steps []step) []string {
	w.dir = simulationDir(w.t, "simulation")
	defer func() { os.RemoveAll(w.dir) }()
	w.turns.say = w.say
	w.told, w.agents, w.boots = maps.Clone(w.template.told), slices.Clone(w.template.agents), 1
	w.clock.Store(w.template.clock)
	w.began = time.Now()
	if err := w.template.files.write(w.dir); err != nil {
		w.t.Fatal(err)
	}
	w.openAll()
	w.rows = w.look()
	for i := range steps {
		if w.step(&steps[i]); len(w.broken) > 0 {
			break
		}
	}
	w.close()
	if len(w.broken) == 0 {
		w.open(0) // as the next process finds it
		w.found(w.look(), nil, "at the end")
		w.close()
	}
	return w.broken
}

func (w *simulation) openAll() {
	for n := range w.processes {
		w.open(n)
	}
}

// open starts a server on the database as it is.
func (w *simulation) open(n int) {
	w.boots++
	decide := func(p faulty.Point) faulty.Fate { return w.turns.wait(n, p) }
	memory := []int{store.DefaultMemory, 4000}[n%2] // the other's is so small that it forgets all the time
	st, err := store.Open(context.Background(), filepath.Join(w.dir, "db"), filepath.Join(w.dir, "key"), store.WithConnector(faulty.Connector(decide)),
		store.WithMemory(memory), store.WithMemoryChecked(func(wrong string) { w.wrong.Store(&wrong) }))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &w.processes[n]
	p.store = st
	// Ids grow with each start.
	w.ids.Store(uint64(w.boots) << 32)
	again := func() bool { return w.turns.again(n) }
	p.srv, err = rpc.New(context.Background(), w.config(&turning{faulty.Twice(st, again), w.turns, n, make(chan struct{}, 1)}))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := st.VerifyAudit(context.Background(), ""); err != nil {
		w.breaks("the record does not verify: %v", err)
	}
}

func (w *simulation) config(st store.Store) dispatch.Config {
	post := make(letterbox) // in which nothing is put: messages wait
	return dispatch.Config{Store: st, Senders: map[string]sender.Sender{model.SMTP: post, model.SMS: post}, Now: func() time.Time { return time.UnixMilli(w.now()).UTC() }, Rand: &repeating{of: byte(w.boots)}, Log: zerolog.New(&w.log).Level(zerolog.WarnLevel),
		NewID: func() string {
			var b [16]byte
			b[0] = 1
			binary.BigEndian.PutUint64(b[8:], w.ids.Add(1))
			return hex.EncodeToString(b[:])
		}}
}

func (w *simulation) close() {
	w.turns.free()
	for n := range w.processes {
		w.end(n)
	}
}

// end stops a server, if it runs.
func (w *simulation) end(n int) {
	p := &w.processes[n]
	if p.store == nil {
		return
	}
	if err := p.store.Close(); err != nil && !w.turns.isDead(n) {
		w.breaks("Close: %v", err)
	}
	*p = process{}
}

func (w *simulation) breaks(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
	w.say("BROKEN "+format, args...)
}

// look reads the whole database.
func (w *simulation) look() promise.Rows {
	var dump bytes.Buffer
	_, err := w.processes[0].store.Dump(context.Background(), &dump)
	if err != nil {
		w.breaks("Dump: %v", err)
		return w.rows
	}
	rows, err := w.reader.Read(&dump)
	if err != nil {
		w.breaks("%v", err)
	}
	err = w.processes[0].store.View(context.Background(), func(tx store.ReadTx) error {
		for _, table := range []string{"tokens", "users", "devices"} { // counted by triggers
			n, err := tx.Count(&store.Query{Table: table})
			if err != nil {
				return err
			}
			if n != int64(len(rows[table])) {
				w.breaks("there are %d %s, and %d are counted", len(rows[table]), table, n)
			}
		}
		return nil
	})
	if err != nil {
		w.breaks("counting: %v", err)
	}
	return rows
}

// step makes the calls of a step, all at once, and looks what has become of them.
func (w *simulation) step(s *step) {
	w.steps++
	w.clock.Add(int64(s.Clock) * 1000)
	calls := make([]*simulated, len(s.Calls))
	for i, seed := range s.Calls {
		w.calls++
		calls[i] = newGenerator(w, seed, s.About).call(w.calls)
		calls[i].at = s.At[i]
		if first := calls[0]; i == 1 && first.key != "" && s.Order%2 == 0 { // the same, at the same time
			calls[i] = &simulated{number: w.calls, path: first.path, body: first.body, key: first.key, by: first.by, inner: first.inner, again: first.again, beside: first, at: s.At[i]}
		}
		w.say("%s %+d s, faults %d, twice %v, crash %d of %d: %d at %d %s %s %s", time.UnixMilli(w.now()).UTC().Format(time.DateTime), s.Clock, s.Faults, s.Twice, s.Crash,
			s.Dies, calls[i].number, calls[i].at, calls[i].by.id, calls[i].path, calls[i].body)
	}
	synctest.Wait() // until what begins by itself, such as a checkpoint, has begun
	w.turns.begin(s)
	for _, c := range calls {
		go w.make(c)
	}
	crashed := w.turns.run(s, func() bool { return !slices.ContainsFunc(calls, func(c *simulated) bool { return !c.done.Load() }) }, func() { w.crash() })
	if w.turns.stuck {
		w.breaks("calls are not answered")
		return
	}
	for _, c := range calls {
		w.say("%d was answered %d %s%s", c.number, c.code, c.reply, map[bool]string{true: ", which nobody heard"}[c.lost])
	}
	if w.tally != nil {
		w.tally.step(calls, crashed)
	}
	var died []int
	for n := range w.processes {
		if w.turns.isDead(n) {
			w.end(n)
			died = append(died, n)
		}
	}
	w.turns.free()
	for _, n := range died {
		w.open(n)
	}
	if len(died) == 1 {
		time.Sleep(store.MaxCallerAge) // nobody waited for it: the other process may go so long by what it has read of callers
	}
	if wrong := w.wrong.Load(); wrong != nil {
		w.breaks("%s", *wrong)
	}
	w.found(w.look(), calls, "")
}

// crash is what a kill of all processes leaves: the files as they are now.
func (w *simulation) crash() {
	files, err := readFiles(w.dir)
	dir := simulationDir(w.t, "simulation")
	if err = errors.Join(err, files.write(dir)); err != nil {
		w.t.Fatal(err)
	}
	old := w.dir
	w.dir = dir
	os.RemoveAll(old)
	w.say("all processes die")
}

// files are those of a database, by their names.
type files map[string][]byte

// readFiles reads what a process that begins finds: not what SQLite's processes share.
func readFiles(dir string) (files, error) {
	all := files{}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		if strings.HasSuffix(name, "-shm") || err != nil {
			continue
		}
		all[filepath.Base(name)], err = os.ReadFile(name)
	}
	return all, err
}

func (f files) write(dir string) error {
	for name, text := range f {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// simulated is one call.
type simulated struct {
	number int
	path   string
	body   string
	key    string       // of idempotency
	by     agentSecret  // without an id: a device
	again  *simulated   // that it is, once more
	beside *simulated   // with which it shares its key, at the same time
	other  *simulated   // which succeeded with its key, and is another call
	called int          // in which step it was made again last
	until  int64        // when its answer is forgotten
	inner  []*simulated // of a batch
	otp    *typed       // what it tries
	at     int          // the number of the process that is called

	now    int64  // when it began
	cookie string // that it was answered
	code   int
	reply  string
	lost   bool // the process died before it was answered
	done   atomic.Bool
}

// changed says whether a call that succeeded changed something, so that it is answered the same again: of a batch one call did at least.
// One of calls that only read, or were refused, may be carried out again.
func (c *simulated) changed() bool {
	if c.inner == nil {
		return promise.Changes(c.path) && !dry(c)
	}
	codes := c.innerCodes()
	for i, inner := range c.inner {
		if i < len(codes) && codes[i] == 0 && inner.changed() {
			return true
		}
	}
	return false
}

// innerCodes are what the calls of a batch were answered, as far as they were.
func (c *simulated) innerCodes() (codes []int) {
	var reply struct {
		Result []struct{ Error int }
	}
	json.Unmarshal([]byte(c.reply), &reply)
	for _, r := range reply.Result {
		codes = append(codes, r.Error)
	}
	return codes
}

type callNumber struct{}

// make makes a call, when it is its turn.
func (w *simulation) make(c *simulated) {
	ctx := context.WithValue(context.Background(), callNumber{}, c.number)
	w.turns.wait(c.at, faulty.Point{Text: "call", Ctx: ctx})
	c.now = w.now()
	path := "/" + c.path
	if c.by.person && !strings.HasPrefix(c.path, "console/") {
		path = "/console/api/" + c.path
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(c.body)).WithContext(ctx)
	switch {
	case c.by.person:
		r.AddCookie(&http.Cookie{Name: "tokensmith", Value: c.by.secret})
	case c.by.id != "":
		r.SetBasicAuth(c.by.id, c.by.secret)
	}
	if c.key != "" {
		r.Header.Set("Idempotency-Key", c.key)
	}
	answer := httptest.NewRecorder()
	w.processes[c.at].srv.ServeHTTP(answer, r)
	c.reply = strings.TrimSpace(answer.Body.String())
	c.code = codeIn(c.reply)
	for _, cookie := range answer.Result().Cookies() {
		c.cookie = cookie.Value
	}
	c.lost = w.turns.isDead(c.at)
	c.done.Store(true)
}

// turns lets one statement run at a time, and chooses whose.
type turns struct {
	mu      sync.Mutex
	waiting []*waiter
	chosen  bool    // statements wait for their turn; else they run as they come
	dead    [2]bool // the process has died: nothing that it does takes effect
	stuck   bool
	twice   bool
	order   *rand.Rand
	faults  *faulty.Faults
	writer  *waiter          // whose BEGIN was the last, until it is over: the other process cannot write
	trace   *strings.Builder // nil = nobody wants it
	say     func(format string, args ...any)
}

type waiter struct {
	point   faulty.Point
	process int
	call    int
	fate    chan faulty.Fate
}

// begins says whether it waits for SQLite's lock, which one process has at a time.
func (w *waiter) begins() bool {
	return w.point.Op == faulty.Begin && w.point.Writes()
}

// same says whether both are of one connection.
func (w *waiter) same(o *waiter) bool {
	return o != nil && w.process == o.process && w.point.Conn == o.point.Conn
}

func newTurns() *turns {
	return &turns{order: rand.New(rand.NewPCG(0, 0)), faults: faulty.NewFaults(0, false, 0)}
}

// begin has statements wait, as a step says.
func (t *turns) begin(s *step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.chosen, t.twice = true, s.Twice
	t.order = rand.New(rand.NewPCG(uint64(s.Order), 1))
	t.faults = faulty.NewFaults(uint64(s.Order), false, s.Faults)
}

// free lets statements run as they come.
func (t *turns) free() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.chosen, t.twice, t.dead, t.writer = false, false, [2]bool{}, nil
}

func (t *turns) isDead(process int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dead[process]
}

func (t *turns) again(process int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.twice && !t.dead[process] && t.order.IntN(2) == 0
}

// died is what becomes of all that a process does which has died: what it had not committed is undone.
var died = faulty.Fate{Err: errors.New("the process has died"), Undo: true}

// wait waits for a turn.
func (t *turns) wait(process int, p faulty.Point) faulty.Fate {
	t.mu.Lock()
	if t.dead[process] || !t.chosen {
		defer t.mu.Unlock()
		return map[bool]faulty.Fate{true: died}[t.dead[process]]
	}
	w := &waiter{point: p, process: process, fate: make(chan faulty.Fate)}
	w.call, _ = p.Ctx.Value(callNumber{}).(int)
	t.waiting = append(t.waiting, w)
	t.mu.Unlock()
	return <-w.fate
}

// run gives turns until all is done. Behind as many as the step says processes die.
func (t *turns) run(s *step, done func() bool, crash func()) (crashed bool) {
	for given, idle := 1, 0; ; {
		synctest.Wait() // until nobody goes on by himself
		w := t.next()
		switch {
		case w == nil && done():
			return crashed
		case w == nil:
			// They wait for time to pass.
			if idle++; idle > 100_000 {
				t.stuck = true
				return crashed
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		idle = 0
		t.note(w)
		if given == s.Crash && !crashed {
			crashed = true
			if s.Dies == all {
				crash()
			}
			t.die(s.Dies, w)
			continue
		}
		given++
		fate := faulty.Fate{}
		if w.point.Text != "call" && w.point.Text != "transaction" {
			if fate = t.faults.Decide(w.point); fate.Err != nil {
				t.say("\t%d, connection %d of %d: %.70q fails: %v%s%s", w.call, w.point.Conn, w.process, w.point.Text, fate.Err, map[bool]string{true: ", behind its effect"}[fate.Late],
					map[bool]string{true: ", and with it the transaction"}[fate.Undo])
			}
			t.locks(w, fate)
		}
		w.fate <- fate
	}
}

// locks notes who has SQLite's lock of those that write, once a statement has its fate.
func (t *turns) locks(w *waiter, fate faulty.Fate) {
	ends := w.point.Op == faulty.Commit || w.point.Op == faulty.Rollback
	switch done := fate.Err == nil || fate.Late; {
	case w.begins() && done && !fate.Undo:
		t.writer = w
	case w.same(t.writer) && (ends && done || fate.Undo && !fate.Late): // a query that ends late does so only if more than its first row is read
		t.writer = nil
	}
}

// note keeps in which order things were done.
func (t *turns) note(w *waiter) {
	if *simulateSays {
		t.say("\t\t%d at %d conn %d op %d %.90s", w.call, w.process, w.point.Conn, w.point.Op, w.point.Text)
	}
	if t.trace != nil {
		fmt.Fprintf(t.trace, "%d %d %d %.60s\n", w.process, w.call, w.point.Op, w.point.Text)
	}
}

// die ends all that waits of the processes that die, and all that comes; first has its turn.
func (t *turns) die(dies int, first *waiter) {
	t.mu.Lock()
	for n := range t.dead {
		t.dead[n] = dies == all || dies == n
	}
	var gone []*waiter
	t.waiting = slices.DeleteFunc(append(t.waiting, first), func(w *waiter) bool {
		if t.dead[w.process] {
			gone = append(gone, w)
		}
		return t.dead[w.process]
	})
	if t.writer != nil && t.dead[t.writer.process] {
		t.writer = nil
	}
	t.mu.Unlock()
	for _, w := range gone {
		w.fate <- died
	}
}

// next chooses one who waits, in an order that does not depend on who came first.
func (t *turns) next() *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortStableFunc(t.waiting, func(a, b *waiter) int {
		return cmp.Or(cmp.Compare(a.process, b.process), cmp.Compare(a.call, b.call), strings.Compare(a.point.Text, b.point.Text))
	})
	var may []*waiter
	for _, w := range t.waiting {
		if !w.begins() || t.writer == nil || w.same(t.writer) {
			may = append(may, w)
		}
	}
	if len(may) == 0 {
		return nil
	}
	w := may[t.order.IntN(len(may))]
	t.waiting = slices.DeleteFunc(t.waiting, func(o *waiter) bool { return o == w })
	return w
}

// turning is a Store whose transactions wait for their turn as well, so that which comes first does not depend on the machine.
type turning struct {
	store.Store
	turns   *turns
	process int
	marking chan struct{} // holds one while somebody does
}

// MarkAudit is one at a time: the store has a lock there while it reads, and who waits for a lock is not seen to wait.
func (s *turning) MarkAudit(ctx context.Context, now time.Time) (string, error) {
	s.marking <- struct{}{}
	defer func() { <-s.marking }()
	return s.Store.MarkAudit(ctx, now)
}

func (s *turning) turn(ctx context.Context) {
	s.turns.wait(s.process, faulty.Point{Text: "transaction", Ctx: ctx})
}

func (s *turning) View(ctx context.Context, fn func(store.ReadTx) error) error {
	s.turn(ctx)
	return s.Store.View(ctx, fn)
}

func (s *turning) ViewOne(ctx context.Context, fn func(store.ReadTx) error) error {
	s.turn(ctx)
	return s.Store.ViewOne(ctx, fn)
}

func (s *turning) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.turn(ctx)
	return s.Store.Update(ctx, fn)
}

func (s *turning) UpdateShared(ctx context.Context, fn func(store.Tx) error) error {
	s.turn(ctx)
	return s.Store.UpdateShared(ctx, fn)
}

func (s *turning) UpdateAlone(ctx context.Context, fn func(store.Tx) error) error {
	s.turn(ctx)
	return s.Store.UpdateAlone(ctx, fn)
}

func (s *turning) UpdateLong(ctx context.Context, fn func(store.Tx) error) error {
	s.turn(ctx)
	return s.Store.UpdateLong(ctx, fn)
}

// template is a database with which every run begins.
type template struct {
	files  files
	clock  int64
	agents []agentSecret // the first may do everything
	told   map[string][]string
}

var simulationTemplate = func() func(t *testing.T) *template {
	var once sync.Once
	var made *template
	return func(t *testing.T) *template {
		once.Do(func() { made = makeTemplate(t) })
		if made == nil {
			t.Fatal("there is no template")
		}
		return made
	}
}()

func makeTemplate(t *testing.T) *template {
	methodOf() // what is made once is made outside of any run
	revealing()
	w := newSimulation(nil)
	w.t, w.dir, w.told = t, t.TempDir(), map[string][]string{}
	w.clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	w.open(0)
	first, err := w.processes[0].srv.FirstAgent(context.Background(), func(rpc.FirstAgent) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	tpl := &template{clock: w.clock.Load(), told: w.told, agents: []agentSecret{{id: first.ClientID, secret: first.ClientSecret}}}
	do := func(path, params string) map[string]any {
		c := &simulated{path: path, body: params, by: tpl.agents[0]}
		w.make(c)
		var reply struct {
			Error  int
			Result map[string]any
		}
		if err := json.Unmarshal([]byte(c.reply), &reply); err != nil || reply.Error != 0 {
			t.Fatalf("%s %s: %s", path, params, c.reply)
		}
		w.learn(c)
		return reply.Result
	}
	for _, domain := range []string{"d1", "d2"} {
		do("domain/create", fmt.Sprintf(`{"attrs":{"name":%q,"lockoutThreshold":3,"maxFailures":7}}`, domain))
	}
	for i, user := range []string{"u1", "u2", "u3"} {
		do("user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d%d","loginName":%q,"mobile":"+4900%d"}}`, 1+i/2, user, i))
	}
	// The first two tokens have one seed, and the next two.
	for i, token := range []string{"MT 0-0 u1", "MT 0-1 u2", "SE 1-0 u1", "SE 1-1 u3", "ST 2-0 u2", "MT 3-0 u3"} {
		f := strings.Fields(token)
		pin := ""
		if i%3 == 1 {
			pin = fmt.Sprintf(`,"pin":%q`, promise.PIN)
		}
		do("token/create", fmt.Sprintf(`{"attrs":{"product.productCode":%q,"serial":%q,"seed":"%x","user.loginName":%q%s}}`, f[0], f[1], seedNumber(int(f[1][0]-'0')), f[2], pin))
	}
	do("tempPass/create", `{"attrs":{"user.loginName":"u1","usageLimit":2}}`)
	do("tempPass/create", `{"attrs":{"user.loginName":"u2"}}`)
	do("tempPass/create", `{"attrs":{"user.loginName":"u3"}}`)
	do("license/create", `{"attrs":{"name":"license1","seats":2}}`)
	do("deviceGroup/create", `{"attrs":{"name":"group1"}}`)
	do("device/create", `{"attrs":{"name":"device1","user.loginName":"u1","license.name":"license1"}}`)
	do("installationCode/create", `{"attrs":{"action":"CREATE_ACCOUNT_AND_DEVICE","usernamePrefix":"kiosk","domain.name":"d1","usageLimit":2,"code":"KEY-0001","license.name":"license1"}}`)
	do("installationCode/create", `{"attrs":{"action":"CREATE_DEVICE","user.loginName":"u3","usageLimit":1,"usageLimitDelay":60,"code":"KEY-0002"}}`)
	do("installationCode/create", `{"attrs":{"action":"CREATE_DEVICE","user.loginName":"u1","usageLimit":1,"code":"KEY-0003"}}`)
	for _, agent := range []string{
		`"name":"limited","permissions":["*"],"domains":["d1"]`,
		`"name":"login","permissions":["auth/*","token/get","token/search","device/*"]`,
		`"name":"help","permissions":["user/*","token/*","tokenAssignment/*","batch/execute","installationCode/*"],"domains":["d2"]`,
		`"name":"off","permissions":["*"],"status":"DISABLED"`,
	} {
		made := do("agent/create", `{"attrs":{`+agent+`}}`)
		tpl.agents = append(tpl.agents, agentSecret{id: made["id"].(string), secret: made["clientSecret"].(string)})
	}
	for _, admin := range []string{`"domain.name":"d1","loginName":"a1","permissions":["*"]`, `"domain.name":"d2","loginName":"a2","permissions":["device/*","token/get","user/*"]`} {
		id := do("user/create", `{"attrs":{`+admin+`}}`)["id"].(string)
		err := w.processes[0].store.Update(t.Context(), func(tx store.Tx) error {
			return tx.SetPassword(id, w.processes[0].store.Keys().Seal(store.PasswordPlace(id), cheapHash(rightPassword)), false, model.Time(w.now()))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.close()
	if tpl.files, err = readFiles(w.dir); err != nil || len(w.broken) > 0 {
		t.Fatal(err, w.broken)
	}
	return tpl
}

// Every password that is set is the same one.
const (
	rightPassword = "correct horse 1"
	wrongPassword = "another horse 1"
)

// cheapHash is an argon2id hash that takes nearly nothing to compare with, so that a run may sign in often.
func cheapHash(password string) []byte {
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Appendf(nil, "$argon2id$v=%d$m=8,t=1,p=1$%s$%s", argon2.Version, encode(salt), encode(key))
}

// seedNumber is one of the few seeds that tokens of a simulation have.
func seedNumber(n int) []byte { return []byte(fmt.Sprintf("seed number %08d", n)) }

// seedOfToken is the seed of a token, which its serial tells.
func seedOfToken(token promise.Row) []byte {
	serial := token.Text("serial")
	if len(serial) < 3 || serial[1] != '-' {
		return nil
	}
	return seedNumber(int(serial[0] - '0'))
}
