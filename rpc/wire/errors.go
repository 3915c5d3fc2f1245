package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"tokensmith/model"
)

// ErrorCode is the number of an error on the wire, the HTTP status if the error does not come from a method, and a meaning.
type ErrorCode struct {
	Number  int
	Status  int // 0 means 200
	meaning string
}

// Codes is the only table of error codes. Entries may be added, and never changed. No other place contains a number of a code,
// except that each noun has the code for its own not-found error.
var Codes = map[model.Kind]ErrorCode{
	model.Internal:         {1, http.StatusInternalServerError, "internal error; its cause is only in the server's log"},
	model.Unreadable:       {2, http.StatusOK, "the request cannot be read; the message says where"},
	model.NoMethod:         {3, http.StatusNotFound, "no such method"},
	model.NotAuthentic:     {4, http.StatusUnauthorized, "the caller is not authenticated"},
	model.NotPermitted:     {5, http.StatusForbidden, "the caller is not permitted to do this"},
	model.TooLarge:         {6, http.StatusRequestEntityTooLarge, "the request is too large, or takes too long for one call"},
	model.TooMany:          {7, http.StatusTooManyRequests, "too many requests; try again later"},
	model.Unavailable:      {8, http.StatusServiceUnavailable, "temporarily unavailable; try again"},
	model.Missing:          {10, 0, "a required parameter is missing"},
	model.Invalid:          {11, 0, "a value is not valid"},
	model.UnknownAttr:      {12, 0, "unknown attribute"},
	model.Exists:           {13, 0, "already exists"},
	model.InUse:            {14, 0, "still in use"},
	model.Ambiguous:        {15, 0, "the selector fits more than one"},
	model.Stale:            {16, 0, "changed since it was read"},
	model.KeyReused:        {17, 0, "the idempotency key was used for another request"},
	model.RecordBroken:     {18, 0, "the audit record was changed"},
	model.WrongCredential:  {201, 0, "wrong credential"},
	model.Locked:           {202, 0, "locked"},
	model.Disabled:         {203, 0, "disabled or inactive"},
	model.NotValidNow:      {204, 0, "outside its validity period"},
	model.OutOfSync:        {205, 0, "out of sync"},
	model.Replayed:         {206, 0, "the credential was already used"},
	model.PINExpired:       {207, 0, "the PIN or password must be changed"},
	model.UsageLimit:       {208, 0, "the usage limit is reached"},
	model.DomainNotDefined: {242, 0, "the domain is not defined"},
	model.TokenUnusable:    {301, 0, "the token is disabled or deceased"},
	model.TokenConfined:    {302, 0, "the token is confined"},
	model.NotDownloadable:  {303, 0, "the token cannot be downloaded"},
	model.BadLink:          {304, 0, "the link or activation code is invalid or expired"},
	model.FileUnreadable:   {401, 0, "the file cannot be read"},
	model.FileKey:          {402, 0, "the file's password or key is wrong, or a MAC does not match"},
	model.ImportRefused:    {403, 0, "the import is refused; the result lists the bad rows"},
	model.BatchRefused:     {404, 0, "the batch is refused; the result lists the bad rows, or the call that was refused"},
	model.CodeUnknown:      {501, 0, "the installation code is unknown"},
	model.CodeExpired:      {502, 0, "the installation code is expired"},
	model.CodeUsedUp:       {503, 0, "the installation code is used up"},
	model.CodeDisabled:     {504, 0, "the installation code is disabled"},
	model.TargetGone:       {505, 0, "the installation code's account or device is not available"},
	model.NoSeat:           {506, 0, "no license seat is left"},
	model.Installed:        {507, 0, "the installation was completed already"},
	model.LicenseExpired:   {508, 0, "the license is expired"},
	model.TokenInvalid:     {511, http.StatusUnauthorized, "the client token is not valid"},
	model.TokenEnded: {512, http.StatusUnauthorized, "the client token has ended: its device is logged out, for the " +
		"reason in the result"},
	model.DeviceInactive: {513, http.StatusForbidden, "the device is inactive"},
}

// shared lists the nouns whose not-found error has the same code as another kind of error.
var shared = map[model.Noun]model.Kind{model.DomainNoun: model.DomainNotDefined, model.ClientTokenNoun: model.TokenInvalid}

// published lists every code, in order. The first is 0, which means success.
var published = publish(Codes, shared)

// publish builds the list of codes. It panics at program start if a kind has no code, a code has no meaning, or two errors have
// one code.
func publish(codes map[model.Kind]ErrorCode, shared map[model.Noun]model.Kind) []ErrorInfo {
	list := []ErrorInfo{{0, http.StatusOK, "success"}}
	add := func(c ErrorCode) {
		if c.Number <= 0 || c.meaning == "" || slices.ContainsFunc(list, func(e ErrorInfo) bool { return e.Code == c.Number }) {
			panic(fmt.Sprintf("wire: the code %d is 0, without a meaning, or that of two errors", c.Number))
		}
		if c.Status == 0 {
			c.Status = http.StatusOK
		}
		list = append(list, ErrorInfo{c.Number, c.Status, c.meaning})
	}
	for _, k := range model.Kinds() {
		c, ok := codes[k]
		if ok == (k == model.NotFound) {
			panic(fmt.Sprintf("wire: the error of kind %d has no code, or it has one beside its noun's", k))
		}
		if ok {
			add(c)
		}
	}
	for _, n := range model.Nouns() {
		k, twice := shared[n]
		switch {
		case twice && codes[k].Number != n.Code():
			panic(fmt.Sprintf("wire: a missing %s has not the code of its kind", n))
		case !twice && n.Code() != 0:
			add(ErrorCode{Number: n.Code(), meaning: n.Meaning()})
		}
	}
	slices.SortFunc(list, func(a, b ErrorInfo) int { return a.Code - b.Code })
	return list
}

// ErrorInfo describes a code for the member error of a reply.
type ErrorInfo struct {
	Code    int    // 0 means success
	Status  int    // HTTP status if the error does not come from a method; a method's reply has 200
	Meaning string // one phrase for readers
}

// Errors returns all codes, in order.
func Errors() []ErrorInfo { return slices.Clone(published) }

// Code returns the code for a kind of error. The code of a not-found error depends on its noun.
func Code(k model.Kind) int { return CodeOf(&model.Error{Kind: k}).Number }

// Retryable returns whether a call that got this code may succeed if it is repeated later.
func Retryable(number int) bool {
	return number == Code(model.TooMany) || number == Code(model.Unavailable)
}

// CodeOf returns the code of an error. An error without a code counts as an internal error. The code is never 0, which means
// success.
func CodeOf(e *model.Error) ErrorCode {
	if n := e.Noun.Code(); e.Kind == model.NotFound && n != 0 {
		return ErrorCode{Number: n}
	}
	if c, ok := Codes[e.Kind]; ok {
		return c
	}
	return Codes[model.Internal]
}

// ClientError returns the error that the client sees. The cause of an internal error is only for the log.
func ClientError(err error) *model.Error {
	var e *model.Error
	switch {
	case errors.As(err, &e) && CodeOf(e).Number != Codes[model.Internal].Number:
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return model.UnavailableError(err)
	}
	return &model.Error{Kind: model.Internal, Msg: "internal error", Err: err}
}

// NoSingleMatch returns whether an error means that a selector did not match exactly one object.
func NoSingleMatch(err error) bool {
	var e *model.Error
	return errors.As(err, &e) && (e.Kind == model.NotFound || e.Kind == model.Ambiguous)
}
