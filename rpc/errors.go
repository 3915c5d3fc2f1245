package rpc

import (
	"context"
	"errors"
	"net/http"

	"tokensmith/model"
)

// code is an error's number on the wire and the HTTP status of a reply that no method made. THE table of codes: it is
// append only, and no other place names a code.
type code struct {
	number int
	status int // 0 = 200
}

var codes = map[model.Kind]code{
	model.Internal:         {1, http.StatusInternalServerError},
	model.Unreadable:       {2, http.StatusOK},
	model.NoMethod:         {3, http.StatusNotFound},
	model.NotAuthentic:     {4, http.StatusUnauthorized},
	model.NotPermitted:     {5, http.StatusForbidden},
	model.TooLarge:         {6, http.StatusRequestEntityTooLarge},
	model.TooMany:          {7, http.StatusTooManyRequests},
	model.Unavailable:      {8, http.StatusServiceUnavailable},
	model.Missing:          {10, 0},
	model.Invalid:          {11, 0},
	model.UnknownAttr:      {12, 0},
	model.Exists:           {13, 0},
	model.InUse:            {14, 0},
	model.Ambiguous:        {15, 0},
	model.Stale:            {16, 0},
	model.KeyReused:        {17, 0},
	model.RecordBroken:     {18, 0},
	model.WrongCredential:  {201, 0},
	model.Locked:           {202, 0},
	model.Disabled:         {203, 0},
	model.NotValidNow:      {204, 0},
	model.OutOfSync:        {205, 0},
	model.Replayed:         {206, 0},
	model.PINExpired:       {207, 0},
	model.UsageLimit:       {208, 0},
	model.DomainNotDefined: {242, 0},
	model.TokenUnusable:    {301, 0},
	model.TokenConfined:    {302, 0},
	model.NotDownloadable:  {303, 0},
	model.BadLink:          {304, 0},
	model.FileUnreadable:   {401, 0},
	model.FileKey:          {402, 0},
	model.ImportRefused:    {403, 0},
	model.BatchRefused:     {404, 0},
	model.CodeUnknown:      {501, 0},
	model.CodeExpired:      {502, 0},
	model.CodeUsedUp:       {503, 0},
	model.CodeDisabled:     {504, 0},
	model.TargetGone:       {505, 0},
	model.NoSeat:           {506, 0},
	model.Installed:        {507, 0},
	model.LicenseExpired:   {508, 0},
	model.TokenInvalid:     {511, http.StatusUnauthorized},
	model.TokenEnded:       {512, http.StatusUnauthorized},
	model.DeviceInactive:   {513, http.StatusForbidden},
}

// notFound gives the code of NotFound by the object's name.
var notFound = map[string]int{
	"user": 101, "token": 102, "token assignment": 103, "product": 104, "repository": 105, "group": 106, "device": 107,
	"license": 108, "agent": 109, "installation code": 110, "template": 111, "delivery": 112, "audit row": 113, "domain": 242,
}

// codeOf gives an error's code.
func codeOf(e *model.Error) code {
	if e.Kind == model.NotFound {
		return code{number: notFound[e.Object]}
	}
	return codes[e.Kind]
}

// wireError gives the error a client sees; a fault's cause stays inside, for the log.
func wireError(err error) *model.Error {
	var e *model.Error
	switch {
	case errors.As(err, &e) && e.Kind != model.Internal:
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &model.Error{Kind: model.Unavailable, Msg: "temporarily unavailable, try again", Err: err}
	}
	return &model.Error{Kind: model.Internal, Msg: "internal error", Err: err}
}
