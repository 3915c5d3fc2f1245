package rpc

import (
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// writesNoFactor are the methods of store.Tx that a guard leaves as they are: none of them writes what a user proves himself with.
var writesNoFactor = []string{"Within", "Audit", "PutMeta", "KeepAnswer", "DropAnswers", "Stranger", "AddressFailed", "AddressKnown", // the record, and what is the server's own
	"LeaveMark", "RaiseMarks", "RewindMarks", "TakeMarks", // which keep what was used used, whoever uses it
	"SetCertificates", "AgentUsed", // agents'
	"SessionUsed", "DropSession", "DropSessions", // of who signs in and out himself, and of nobody in particular
	"Relate", "TakeSeats", "FreeSeat", "Seen", "UseCode", "NewUsername", "ClaimDeliveries", "PretendDelivery"} // devices', codes' and messages'

// TestEveryWriteIsGuarded: every method of a transaction that writes is guarded, or is listed as one that writes no factor. A new
// method fails the test until somebody has decided.
func TestEveryWriteIsGuarded(t *testing.T) {
	t.Parallel()
	reads, writes, guards := reflect.TypeFor[store.ReadTx](), reflect.TypeFor[store.Tx](), reflect.TypeFor[*dispatch.Guard]()
	for i := range writes.NumMethod() {
		name := writes.Method(i).Name
		if _, reading := reads.MethodByName(name); reading {
			continue
		}
		method, _ := guards.MethodByName(name)
		file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer())
		own, listed := filepath.Base(file) == "guard.go", slices.Contains(writesNoFactor, name)
		if own == listed {
			t.Errorf("store.Tx.%s: guarded is %v, writes no factor is %v", name, own, listed)
		}
	}
	for _, name := range writesNoFactor {
		if _, ok := writes.MethodByName(name); !ok {
			t.Errorf("store.Tx has no %s", name)
		}
	}
	for name, o := range object.Types {
		if _, _, err := dispatch.OwnersOf(o.Row()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
