package rpc_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tokensmith/rpc"
)

// A simulation is two servers in this process, each with a memory of its own, on one SQLite database that fails on purpose, at which calls
// are made that a seed has chosen: which, with what, how many at once, to which server, whose statement is next, what fails, when one of
// them or both die, how the clock goes. After each step the database is held to what is promised (package promise). One seed is one run,
// however often, and on whatever machine.
//
//	go test ./rpc -run TestSimulation -simulate.runs 10000
//	go test ./rpc -run TestSimulation -simulate.seed 1234
//
// The second repeats a run that failed, and cuts it down to a short sequence that still fails. See cmd/tokensmith/TESTING.md.
var (
	simulateRuns  = flag.Int("simulate.runs", 40, "how many runs TestSimulation makes")
	simulateFirst = flag.Uint64("simulate.first", 1, "the first seed of TestSimulation's runs, the others follow it; 0 = new ones")
	simulateSeed  = flag.Uint64("simulate.seed", 0, "the seed of the one run that TestSimulation makes; 0 = new ones")
	simulateAll   = flag.Bool("simulate.all", false, "go on behind a run that failed, and cut none down: to count them")
	simulateSays  = flag.Bool("simulate.statements", false, "say the statements of a run that failed as well")
)

// step is what happens between two looks at the database.
type step struct {
	About  int      // what most calls of the run are about: see about
	Calls  []uint32 // each is a seed, of which a call is made
	Order  uint32   // the seed of whose turn it is
	Clock  int      // seconds by which it goes on
	Faults int      // of a thousand statements, how many fail
	Twice  bool     // functions of transactions run twice
	At     []int    // to which process each goes
	Crash  int      // behind so many statements processes die; 0 = they do not
	Dies   int      // the process that does, or all
}

// all processes die at once, as where the power fails.
const all = -1

var (
	stepsOfAll = rapid.Custom(func(t *rapid.T) (steps []step) {
		about := int(drawSeed(t)) % (len(about) + 1)
		for range 6 { // rapid makes short lists, and leaves out of each what it can
			steps = append(steps, rapid.SliceOfN(rapid.Custom(drawStep), 0, 8).Draw(t, "steps")...)
		}
		for i := range steps {
			if steps[i].About = about; about > 0 && steps[i].Order%2 == 0 {
				steps[i].Clock = 0 // one soon behind the other
			}
		}
		return steps
	})
	seeds  = rapid.Custom(drawSeed)
	clocks = []int{0, 1, 0, 0, 5, 30, 31, 60, 61, 600, 3600, 90_000, -1, -30, -45, -4000}
)

func drawStep(t *rapid.T) step {
	n := rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "together")
	return step{
		Calls:  rapid.SliceOfN(seeds, n, n).Draw(t, "calls"),
		Order:  seeds.Draw(t, "order"),
		Clock:  rapid.SampledFrom(clocks).Draw(t, "clock"),
		Faults: rapid.SampledFrom([]int{0, 0, 0, 20, 100}).Draw(t, "faults"),
		Twice:  rapid.SampledFrom([]bool{false, false, true}).Draw(t, "twice"),
		At:     rapid.SliceOfN(rapid.SampledFrom([]int{0, 1}), n, n).Draw(t, "at"),
		Crash:  rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 12, 30}).Draw(t, "crash"),
		Dies:   rapid.SampledFrom([]int{all, all, 0, 1}).Draw(t, "dies"),
	}
}

// drawSeed draws one of a million, all about as often: of two numbers, for those that rapid draws are small mostly.
func drawSeed(t *rapid.T) uint32 {
	small := rapid.Uint32Range(0, 1<<20-1)
	return small.Draw(t, "one") ^ small.Draw(t, "two")<<7&(1<<20-1)
}

// maxNever is how many methods may fail each time they are called in 300 runs. Each is called a few times only, and nobody here can read an
// activation code that was sent: about fifteen never succeed. When what was drawn for set no longer suited it, there were forty.
const maxNever = 30

// TestSimulation makes runs, of the same seeds each time unless -simulate.first says otherwise.
func TestSimulation(t *testing.T) {
	if *simulateSeed != 0 {
		shrink(t, *simulateSeed)
		return
	}
	runs := *simulateRuns
	if testing.Short() {
		runs /= 10
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a run leaves nothing behind, and much memory is there
	first := *simulateFirst
	if first == 0 {
		first = rand.Uint64N(1<<52) + 1
	}
	t.Logf("seeds %d to %d", first, first+uint64(runs)-1)
	var next atomic.Int64
	var failed atomic.Uint64
	var done tally
	began := time.Now()
	t.Run("runs", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for failed.Load() == 0 || *simulateAll {
					n := next.Add(1) - 1
					if n >= int64(runs) {
						return
					}
					seed := first + uint64(n)
					if broken := simulate(t, stepsOfAll.Example(int(seed)), &done, nil); len(broken) > 0 {
						failed.CompareAndSwap(0, seed)
						t.Logf("seed %d, run %d:\n%s", seed, n+1, strings.Join(broken, "\n"))
					}
				}
			})
		}
	})
	t.Logf("%d runs in %s: %s", min(int(next.Load()), runs), time.Since(began).Round(time.Millisecond), &done)
	if never := done.never(); runs >= 300 && int(next.Load()) >= runs {
		t.Logf("never succeeded: %s", strings.Join(never, ", "))
		if len(never) > maxNever {
			t.Errorf("%d methods never succeeded: what is drawn for them no longer suits them", len(never))
		}
	}
	switch seed := failed.Load(); {
	case seed == 0:
	case *simulateAll:
		t.Errorf("runs failed")
	default:
		shrink(t, seed)
		t.Errorf("seed %d failed once, and did not again", seed)
	}
}

// shrink repeats the run of a seed and, where it fails, looks for a short sequence that does as well.
func shrink(t *testing.T, seed uint64) {
	for name, value := range map[string]string{"rapid.seed": fmt.Sprint(seed), "rapid.checks": "1", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		var talk strings.Builder
		if broken := simulate(t, stepsOfAll.Draw(r, "steps"), nil, &talk); len(broken) > 0 {
			r.Logf("%s", talk.String())
			r.Fatalf("go test ./rpc -run TestSimulation -simulate.seed %d\n%s", seed, strings.Join(broken, "\n"))
		}
	})
}

// simulate makes one run, and returns what was broken. What was said goes to talk.
func simulate(t *testing.T, steps []step, tally *tally, talk *strings.Builder) (broken []string) {
	w := newSimulation(simulationTemplate(t))
	w.tally, w.talk = tally, talk
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		broken = w.run(steps)
	})
	return broken
}

// One seed is one run: the same statements in the same order, the same answers.
func TestSimulationRepeats(t *testing.T) {
	t.Parallel()
	for seed := range 6 {
		steps := stepsOfAll.Example(seed + 1)
		var one, two strings.Builder
		for _, trace := range []*strings.Builder{&one, &two} {
			w := newSimulation(simulationTemplate(t))
			w.turns.trace = trace
			synctest.Test(t, func(t *testing.T) {
				w.t = t
				w.run(steps)
			})
		}
		if one.String() != two.String() {
			a, b := strings.Split(one.String(), "\n"), strings.Split(two.String(), "\n")
			at := 0
			for at < min(len(a), len(b))-1 && a[at] == b[at] {
				at++
			}
			t.Errorf("seed %d: line %d is\n%.300s\nand then\n%.300s", seed+1, at, a[at], b[at])
		}
	}
}

// notSimulated are methods of which no calls are made, and why.
var notSimulated = map[string]string{
	"device/events": "its answer is a stream without an end",
}

// Every method of the table is called, but for those that are left out for a reason.
func TestEveryMethodIsSimulated(t *testing.T) {
	t.Parallel()
	methods := map[string]bool{}
	for _, m := range rpc.Methods() {
		methods[m.Path] = true
		if generated := weightOf(m.Path) > 0; generated == (notSimulated[m.Path] != "") {
			t.Errorf("%s: its calls are made: %v, and there is a reason not to: %q", m.Path, generated, notSimulated[m.Path])
		}
	}
	for path := range notSimulated {
		if !methods[path] {
			t.Errorf("%s is no method", path)
		}
	}
}

// simulationDir makes a folder in memory, where there is such a thing: what is lost in a crash is chosen, and not what a disk is slow at.
func simulationDir(t testing.TB, pattern string) string {
	t.Helper()
	dir := "/dev/shm"
	if _, err := os.Stat(dir); err != nil {
		dir = ""
	}
	made, err := os.MkdirTemp(dir, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// about are what two of three calls of most runs are: what one process does to another is seen where several do much of the same. Those
// of the others, and of the rest, are of any method.
var about = [][]string{
	{"auth/verify", "auth/verify", "auth/verify", "auth/verify", "auth/verify", "auth/logon", "auth/sendOTP", "auth/syncToken", "token/reset", "tempPass/create"},
	{"installationCode/redeem", "installationCode/redeem", "installationCode/redeem", "installationCode/check", "device/connect", "device/connect", "device/generateToken",
		"device/delete", "device/set", "license/set", "license/create", "license/delete"},
	{"agent/set", "agent/rotateSecret", "agent/delete", "agent/create", "user/set", "user/search", "token/search", "device/search", "batch/execute"},
	{"group/create", "group/create", "group/get", "group/set", "group/addUsers", "group/removeUsers", "group/delete", "unit/create", "unit/create", "unit/get", "unit/set",
		"unit/delete", "identitySource/create", "identitySource/create", "identitySource/set", "identitySource/delete", "domain/create", "domain/set", "domain/delete", "user/create", "user/set",
		"application/create", "application/set", "agent/addApplication", "agent/removeApplication", "realm/create", "realm/create", "realm/get", "realm/set", "realm/delete",
		"logonProcedure/create", "logonProcedure/create", "logonProcedure/create", "logonProcedure/get", "logonProcedure/set", "logonStep/create", "logonStep/create",
		"logonStep/create", "logonStep/get", "logonStep/set", "logonStep/delete", "auth/logon", "auth/logon",
		"radiusClient/create", "radiusClient/create", "radiusClient/get", "radiusClient/set", "radiusClient/rotateSecret", "radiusClient/delete"},
}

// aboutCallers is the third of them, in which others call than the agent that may do everything.
const aboutCallers = 3

// weightOf is how often a method is called, beside others.
func weightOf(path string) int {
	object, verb, _ := strings.Cut(path, "/")
	switch {
	case notSimulated[path] != "":
		return 0
	case path == "auth/verify":
		return 120
	case path == "installationCode/redeem":
		return 40
	case path == "auth/sendOTP":
		return 16
	case path == "tempPass/create":
		return 12
	case path == "user/import", path == "user/resetPassword", path == "token/export": // an expensive hash each
		return 1
	case slices.Contains([]string{"auth/syncToken", "token/syncToken", "token/create", "token/reset", "token/delete"}, path):
		return 16
	case slices.Contains([]string{"batch/execute", "device/create", "device/delete", "device/set", "license/set", "tokenAssignment/create", "auth/logon",
		"tokenAssignment/delete", "user/unlock", "agent/set", "agent/delete", "agent/rotateSecret"}, path):
		return 10
	case slices.Contains([]string{"application", "realm", "logonProcedure", "logonStep", "identitySource", "unit", "group", "attribute", "radiusClient"}, object):
		return 1
	case slices.Contains([]string{"search", "get"}, verb), object == "auth", object == "product", object == "template", object == "repository":
		return 3
	}
	return 5
}
