package store

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store/keyring"
)

// An OTP that was used counts as used for all tokens with the same seed. These tokens are found by a keyed hash of the seed.
// Tokens that make the same OTPs form a group, even if they belong to several users or products. When one of them accepts an OTP,
// the counters of the others move too. When the last token of a group is deleted, a seed mark (table seed_marks) stays. It is
// removed when a token is made with the seed again.

const (
	seedPurpose    = "seed"
	seedIndexBytes = 16 // bytes of the MAC that are stored; few, because each token has them twice, in its row and in an index
)

// seedGroups is not a table: it names the groups of tokens for sees and change. Its changes come after those of the table tokens,
// because shared transactions sort by these names.
const seedGroups = "tokens with one seed"

// seedDigest returns the digest that is kept, sealed, of a seed without a token, so that its hash can be made again with another
// key. Seeds from which HMAC makes the same key, with the given hash function, have the same digest. For seeds of up to
// otp.ShortKey bytes, the hash function makes no difference. crypto is the product's name for that function.
func seedDigest(seed []byte, crypto string) []byte { return rawDigest(otp.Hash(crypto).Key(seed)) }

// rawDigest returns the digest of a seed without the key step of HMAC. Versions before schema 11 stored this digest.
func rawDigest(seed []byte) []byte {
	text := append(make([]byte, 0, 96), "tokensmith seed\x00"...)
	sum := sha256.Sum256(append(text, seed...))
	return sum[:]
}

// seedDigest returns the digest of the seed of a token of a product.
func (tx *sqlReadTx) seedDigest(seed []byte, productID string) ([]byte, error) {
	if len(seed) <= otp.ShortKey {
		return seedDigest(seed, ""), nil
	}
	var p model.Product
	err := tx.Load(&p, productID)
	return seedDigest(seed, p.Crypto), err
}

// IndexSeed sets the keyed hashes in a new token that find the tokens with the same seed. crypto is the hash function of the
// token's product; it matters only for seeds of more than otp.ShortKey bytes. Call IndexSeed after the seed was sealed: a
// rotation that begins in between finds the sealed seed, and makes both again.
func IndexSeed(k *keyring.Keyring, t *model.Token, seed []byte, crypto string) {
	key := otp.Hash(crypto).Key(seed)
	t.SeedIndex, t.FormerIndex = seedIndex(k, rawDigest(key)), nil
	if len(key) != len(seed) {
		t.FormerIndex = seedIndex(k, rawDigest(seed))
	}
}

func seedIndex(k *keyring.Keyring, digest []byte) []byte {
	return k.MAC(seedPurpose, digest)[:seedIndexBytes]
}

// seedIndexes returns the hash under every key, the current key first.
func seedIndexes(k *keyring.Keyring, digest []byte) [][]byte {
	all := k.MACs(seedPurpose, digest)
	for i := range all {
		all[i] = all[i][:seedIndexBytes]
	}
	return all
}

// living is an existing token with the same seed.
type living struct {
	ID        string  `db:"id"`
	SeedIndex []byte  `db:"seed_index"`
	SeedGroup *string `db:"seed_group"`
	Algorithm string  `db:"algorithm"`
	Period    int64   `db:"period"`
	Crypto    string  `db:"crypto"`
	Counter   int64   `db:"counter"`
	Previous  int64   `db:"previous"`
	Asked     []byte  `db:"asked"`
	Used      []byte  `db:"used"`
	LastUsed  int64   `db:"last_used"`
}

// use returns what was used of the token's seed. A token that was just inserted has no state yet.
func (t *living) use() model.SeedUse {
	st := model.TokenState{Counter: t.Counter, Previous: t.Previous, Asked: t.Asked, Used: t.Used, LastUsed: model.Time(t.LastUsed)}
	return st.Use(t.Algorithm)
}

var selectLiving = selects[living](`
	SELECT t.id, t.seed_index, t.seed_group, p.algorithm, p.period, p.crypto,
		COALESCE(s.counter, 0) AS counter, COALESCE(s.previous, 0) AS previous, s.asked, s.used, COALESCE(s.last_used, 0) AS last_used
	FROM tokens t JOIN products p ON p.id = t.product_id LEFT JOIN token_states s ON s.token_id = t.id`)

// sameOTPs identifies tokens that make the same OTPs: a seed, by its hash under the current key, and the parameters that the OTPs
// depend on.
type sameOTPs struct {
	index     string
	algorithm string
	period    int64
	crypto    string
}

// seedGroup holds all tokens and seed marks that make the same OTPs.
type seedGroup struct {
	members []living
	marks   []string // ids
	use     model.SeedUse
	name    string // set if there are several members
}

func (tx *sqlTx) TakeMarks(tokens []model.Token, states []model.TokenState) ([]model.TokenState, error) {
	restored, err := tx.restored()
	if err != nil {
		return nil, err
	}
	suspects := tokens
	if restored == 0 {
		if suspects, err = tx.seenSeeds(tokens); err != nil || len(suspects) == 0 {
			return states, err
		}
	}
	found, err := tx.sameOTPs(suspects)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(tokens))
	for i := range tokens {
		at[tokens[i].ID] = i
	}
	after := states
	for _, g := range found {
		if len(g.members) > model.MaxSeedTokens {
			return nil, model.Errorf(model.Invalid, "at most %d tokens may share a seed: these would be %d", model.MaxSeedTokens, len(g.members))
		}
		if len(g.members) > 1 || len(g.marks) > 0 && len(g.members) > 0 {
			if err := tx.join(g); err != nil {
				return nil, err
			}
		}
		if len(g.marks) > 0 { // these marks are deleted, so tokens that existed before must know what was used
			there := slices.DeleteFunc(slices.Clone(g.members), func(t living) bool { _, made := at[t.ID]; return made })
			if err := tx.raise(there, g.use); err != nil {
				return nil, err
			}
		}
		for _, t := range g.members {
			i, made := at[t.ID]
			if !made {
				continue
			}
			st := states[i]
			st.Inherit(g.use)
			if t.Algorithm == string(otp.TOTP) && restored != 0 {
				st.PassOver(t.Period, restored)
			}
			if !reflect.DeepEqual(st, states[i]) {
				if &after[0] == &states[0] {
					after = slices.Clone(states)
				}
				after[i] = st
			}
		}
	}
	return after, nil
}

// seenSeeds returns the tokens whose seed other tokens or a seed mark have too. Among the many tokens of a file there are few
// such tokens or none. This reads little more than an index.
func (tx *sqlReadTx) seenSeeds(tokens []model.Token) ([]model.Token, error) {
	if tx.store.keys.Several() || len(tokens) == 0 {
		return tokens, nil // the same seed may be hashed under several keys
	}
	var indexes, former [][]byte
	first, last := tokens[0].ID, tokens[0].ID
	for i := range tokens {
		indexes = append(indexes, tokens[i].SeedIndex)
		if tokens[i].FormerIndex != nil {
			former = append(former, tokens[i].FormerIndex)
		}
		first, last = min(first, tokens[i].ID), max(last, tokens[i].ID)
	}
	seen := map[string]bool{}
	note := func(query string, args ...any) error {
		query, args, err := sqlx.In(query, args...)
		if err != nil {
			return err
		}
		found, err := values[[]byte](tx, query, args...)
		for _, index := range found {
			seen[string(index)] = true
		}
		return err
	}
	var err error
	if len(tokens) <= maxChunk {
		err = note(`SELECT seed_index FROM tokens WHERE seed_index IN (?) GROUP BY seed_index HAVING COUNT(*) > 1
			UNION ALL SELECT seed_index FROM seed_marks WHERE seed_index IN (?)`, indexes, append(indexes, former...))
	} else {
		// Ids grow with time, so nearly all rows between the first and the last id are these tokens. A list of so many hashes
		// would have to be sorted, which takes as long as indexing them.
		err = note(`SELECT t.seed_index FROM tokens t WHERE t.id >= ? AND t.id <= ?
			AND (EXISTS (SELECT 1 FROM tokens o WHERE o.seed_index = t.seed_index LIMIT 1 OFFSET 1)
				OR EXISTS (SELECT 1 FROM seed_marks m WHERE m.seed_index = t.seed_index))`, first, last)
		for part := range slices.Chunk(former, maxChunk) {
			if err == nil {
				err = note("SELECT seed_index FROM seed_marks WHERE seed_index IN (?)", part)
			}
		}
	}
	if err != nil || len(seen) == 0 {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(tokens), func(t model.Token) bool {
		return !seen[string(t.SeedIndex)] && !seen[string(t.FormerIndex)]
	}), nil
}

// sameOTPs finds the tokens and the seed marks that have the seeds of tokens.
func (tx *sqlTx) sameOTPs(tokens []model.Token) (map[sameOTPs]*seedGroup, error) {
	known, current, err := tx.seedsOf(tokens)
	if err != nil {
		return nil, err
	}
	found := map[sameOTPs]*seedGroup{}
	of := func(index []byte, algorithm string, period int64, crypto string) *seedGroup {
		s := sameOTPs{current[string(index)], algorithm, period, crypto}
		if found[s] == nil {
			found[s] = &seedGroup{}
		}
		return found[s]
	}
	for part := range slices.Chunk(known, maxChunk) {
		where, args, err := sqlx.In(" WHERE t.seed_index IN (?) ORDER BY t.id", part)
		if err != nil {
			return nil, err
		}
		tokens, err := selectLiving.all(&tx.sqlReadTx, where, args...)
		if err != nil {
			return nil, err
		}
		for _, t := range tokens {
			g := of(t.SeedIndex, t.Algorithm, t.Period, t.Crypto)
			g.members, g.use = append(g.members, t), g.use.With(t.use())
		}
		if where, args, err = sqlx.In("seed_index IN (?)", part); err != nil {
			return nil, err
		}
		marks, err := loadAll[model.SeedMark](&tx.sqlReadTx, where, args...)
		if err != nil {
			return nil, err
		}
		for _, m := range marks {
			g := of(m.SeedIndex, m.Algorithm, m.Period, m.Crypto)
			g.marks, g.use = append(g.marks, m.ID), g.use.With(m.Use())
		}
	}
	return found, nil
}

// seedsOf returns the hashes of the tokens' seeds under every key, former hashes included, and, for each of them, the hash under
// the current key.
func (tx *sqlTx) seedsOf(tokens []model.Token) (known [][]byte, current map[string]string, err error) {
	current = make(map[string]string, len(tokens))
	keys := tx.store.keys
	for i := range tokens {
		t := &tokens[i]
		indexes := [][]byte{t.SeedIndex}
		if t.FormerIndex != nil {
			indexes = append(indexes, t.FormerIndex)
		}
		if keys.Several() {
			seed, err := keys.Unseal(keyring.Place{Table: "tokens", Column: "seed", Row: t.ID}, t.Seed)
			if err != nil {
				return nil, nil, err
			}
			digest, err := tx.seedDigest(seed, t.ProductID)
			if err != nil {
				return nil, nil, err
			}
			indexes = seedIndexes(keys, digest)
			if t.FormerIndex != nil {
				indexes = append(indexes, seedIndexes(keys, rawDigest(seed))...)
			}
		}
		for _, index := range indexes {
			if _, twice := current[string(index)]; !twice {
				current[string(index)] = string(indexes[0])
				known = append(known, index)
			}
		}
	}
	return known, current, nil
}

// join makes the tokens of a seed a group if there are several, and deletes the seed marks that the tokens replace.
func (tx *sqlTx) join(g *seedGroup) error {
	if len(g.marks) > 0 {
		if err := tx.execIn("DELETE FROM seed_marks WHERE id IN (?)", g.marks); err != nil {
			return err
		}
	}
	if len(g.members) < 2 {
		return nil
	}
	g.name = g.members[0].ID
	for _, t := range g.members {
		if t.SeedGroup != nil {
			g.name = *t.SeedGroup
			break
		}
	}
	var outside []string
	if !tx.store.dialect.serial {
		// A login that runs at the same time may use an OTP of one of them, and does not know the group yet. One of the two must
		// fail.
		err := chunks(idsOf(g.members), func(part []string) error {
			return tx.execIn("UPDATE token_states SET counter = counter WHERE token_id IN (?)", part)
		})
		if err != nil {
			return err
		}
	}
	for _, t := range g.members {
		if t.SeedGroup == nil || *t.SeedGroup != g.name {
			outside = append(outside, t.ID)
		}
	}
	return chunks(outside, func(part []string) error {
		return tx.execIn("UPDATE tokens SET seed_group = ? WHERE id IN (?)", g.name, part)
	})
}

// raising returns the beginning of a statement that stores in token states what was used of a seed, and its parameters. A state
// with a higher counter keeps its counter. If the token is event-based, its state then only says that something below the counter
// was used. If the token is time-based, its previous moves up to that of u, if that is higher.
func raising(u model.SeedUse) (string, []any) {
	const set, counter = "UPDATE token_states SET previous = ", `,
		counter = CASE WHEN counter < ? THEN ? ELSE counter END, asked = ?, used = ? WHERE token_id IN (`
	values := []any{u.Counter, u.Counter, u.Asked, u.Used}
	if u.Events && u.Counter > 0 {
		return set + "CASE WHEN counter < ? THEN ? WHEN previous >= counter THEN counter - 1 ELSE previous END" + counter,
			append([]any{u.Counter, u.Previous}, values...)
	}
	return set + "CASE WHEN previous < ? THEN ? ELSE previous END" + counter, append([]any{u.Previous, u.Previous}, values...)
}

func (tx *sqlTx) RaiseMarks(group *string, u model.SeedUse) error {
	if group == nil {
		return nil
	}
	statement, args := raising(u)
	return tx.change(seedGroups, *group, statement+"SELECT id FROM tokens WHERE seed_group = ?)", append(args, *group)...)
}

// idsOf returns the ids of tokens.
func idsOf(tokens []living) (ids []string) {
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return ids
}

// raise is RaiseMarks for members of a group that has no name yet.
func (tx *sqlTx) raise(members []living, u model.SeedUse) error {
	statement, args := raising(u)
	return chunks(idsOf(members), func(part []string) error { return tx.execIn(statement+"?)", append(slices.Clone(args), part)...) })
}

func (tx *sqlTx) RewindMarks(group *string, u model.SeedUse) error {
	if group == nil {
		return nil
	}
	return tx.change(seedGroups, *group, `UPDATE token_states SET counter = ?, previous = CASE WHEN previous < ? THEN ? ELSE previous END, used = ?, synced_at = 0
		WHERE counter > ? AND previous <= ? AND token_id IN (SELECT id FROM tokens WHERE seed_group = ?)`,
		u.Counter, u.Previous, u.Previous, u.Used, u.Counter, u.Counter, *group)
}

// marksPruned is how many expired seed marks are deleted when a new one is stored.
const marksPruned = 10

func (tx *sqlTx) LeaveMark(t *model.Token, id string, now model.Time) error {
	var st model.TokenState
	var p model.Product
	err := tx.Load(&st, t.ID)
	if err == nil {
		err = tx.Load(&p, t.ProductID)
	}
	var gone *model.Error
	if errors.As(err, &gone) && gone.Kind == model.NotFound {
		return nil // without a state, no OTP of the token was accepted
	}
	m, used := st.Mark(&p)
	if err != nil || !used {
		return err
	}
	if t.SeedGroup != nil {
		others, err := value[int64](&tx.sqlReadTx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE seed_group = ? AND id <> ? LIMIT 1) AS found", *t.SeedGroup, t.ID)
		if err == nil && others > 0 && p.Algorithm == string(otp.HOTP) && m.Counter > 0 {
			// The other tokens know already, except those with a higher counter in versions that did not update them.
			_, err = tx.exec(`UPDATE token_states SET previous = counter - 1
				WHERE previous = counter AND counter >= ? AND token_id IN (SELECT id FROM tokens WHERE seed_group = ?)`, m.Counter, *t.SeedGroup)
		}
		if err != nil || others > 0 {
			return err
		}
	}
	keys := tx.store.keys
	seed, err := keys.Unseal(keyring.Place{Table: "tokens", Column: "seed", Row: t.ID}, t.Seed)
	if err != nil {
		return nil // a seed that cannot be unsealed accepted no OTP either
	}
	m.ID = id
	digest := seedDigest(seed, p.Crypto)
	m.Digest = keys.Seal(keyring.Place{Table: "seed_marks", Column: "digest", Row: m.ID}, digest)
	m.SeedIndex = seedIndex(keys, digest)
	if err := tx.Insert(&m); err != nil {
		return err
	}
	_, err = tx.exec("DELETE FROM seed_marks WHERE id IN (SELECT id FROM seed_marks WHERE until > 0 AND until < ? ORDER BY until LIMIT ?)", now, marksPruned)
	return err
}
