package conn

const maxRecent = 8192 // entries remembered at least; at most twice as many

// RecentMap is a map that forgets what was not used lately: it keeps two generations, and when the younger is full the
// older goes.
type RecentMap[V any] struct{ young, old map[string]V }

// Get returns the entry of a key, or a fresh one, which it keeps.
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

// Peek returns what there is.
func (r *RecentMap[V]) Peek(key string) (v V, ok bool) {
	if v, ok = r.young[key]; !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

// Put keeps an entry.
func (r *RecentMap[V]) Put(key string, v V) {
	if r.young == nil || len(r.young) >= maxRecent {
		r.old, r.young = r.young, make(map[string]V)
	}
	r.young[key] = v
}
