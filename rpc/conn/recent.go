package conn

const maxRecent = 8192 // it keeps at least this many entries, and at most twice as many

// RecentMap is a map that forgets entries that were not used recently. It has two generations. When the younger one is full, the
// older one is dropped.
type RecentMap[V any] struct{ young, old map[string]V }

// Get returns the entry of a key. If there is none, it adds what fresh returns.
func (r *RecentMap[V]) Get(key string, fresh func() V) V {
	if v, ok := r.young[key]; ok {
		return v
	}
	v, ok := r.old[key]
	if !ok {
		v = fresh()
	}
	r.Put(key, v)
	return v
}

// Peek returns the entry of a key, if there is one, without using it.
func (r *RecentMap[V]) Peek(key string) (v V, ok bool) {
	if v, ok = r.young[key]; !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

// Put sets the entry of a key.
func (r *RecentMap[V]) Put(key string, v V) {
	if r.young == nil || len(r.young) >= maxRecent {
		r.old, r.young = r.young, make(map[string]V)
	}
	r.young[key] = v
}
