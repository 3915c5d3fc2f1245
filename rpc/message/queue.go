// Package message contains the messages to users: their templates, the queue in the database, and the methods for both. A message
// is queued in the transaction of the change that it reports, and sent afterwards by package sender.
package message

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/sender"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Delivery is the receiver of the methods for queued and sent messages.
type Delivery struct{ object.CRUD }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"Template": &Template{object.CRUD{Server: s, Type: TemplateType}}, "Delivery": &Delivery{object.CRUD{Server: s, Type: DeliveryType}}}
}

// Template is the receiver of the methods for message templates.
type Template struct{ object.CRUD }

// DeliveryType declares the object delivery, a queued or sent message.
var DeliveryType = object.Declare(&object.Type{
	Name: "delivery", NotFound: model.DeliveryNoun, Row: func() any { return new(model.Delivery) },
	Attrs: []object.Attr{
		{Name: "channel", Kind: object.Enum, Values: []string{model.SMTP, model.SMS}},
		{Name: "template", Kind: object.Text},
		{Name: "recipient", Kind: object.Text},
		{Name: "status", Kind: object.Enum, Values: []string{model.Queued, model.Sent, model.Failed}, Indexed: true},
		{Name: "attempts", Kind: object.Integer},
		{Name: "reason", Kind: object.Text, About: "why the last attempt failed"},
		{Name: "nextTry", Kind: object.Date},
		{Name: "goodUntil", Kind: object.Date, About: "when the message expires"},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUpdated", Kind: object.Date},
	},
})

// TemplateType declares the object template, the text of a message.
var TemplateType = object.Declare(&object.Type{
	Name: "template", NotFound: model.TemplateNoun, Row: func() any { return new(model.Template) }, ShownWhenAmbiguous: []string{"id", "name"},
	Check: func(_ *dispatch.Call, _ store.Tx, _ *object.Decoded, _, row any) error {
		return row.(*model.Template).Check()
	},
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Indexed: true, About: "activationCode, downloadUrl, passcode, installationCode, emergencyCode, or a text by which RADIUS asks for more, such as radiusOtp"},
		{Name: "subject", Kind: object.Text, When: object.OnSet, Required: true, About: "with parameters in braces"},
		{Name: "text", Kind: object.Text, When: object.OnSet, Required: true, Max: 16 << 10,
			About: "with parameters in braces: {loginName}"},
	},
})

const (
	deliveryPoll  = time.Second
	deliveryLease = 2 * 60_000 // how long a claimed delivery is reserved for one process, in milliseconds
	deliveryTime  = time.Minute
	deliveryBatch = 1 // how many deliveries are claimed at once; the lease must last until all of them were tried
)

// content is the subject and text of a delivery. It is sealed in the column body.
type content struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Send queues a message to a user in the transaction of the change that it reports. It returns an error of kind NotPermitted if the
// user may do something that the caller may not.
func Send(c *dispatch.Call, tx store.Tx, u *model.User, channel, template string, values map[string]string, goodUntil model.Time) error {
	if c.Server.Config.Senders[channel] == nil {
		return model.AttrErrorf(model.Invalid, "channel", "%s is not set up on this server", channel)
	}
	if u.Address(channel) == "" {
		return model.AttrErrorf(model.Invalid, "channel", "the user has no address for %s", channel)
	}
	if err := c.CheckUserAccess(tx, u.ID); err != nil {
		return err
	}
	d, err := compose(c, tx, u, channel, template, values, goodUntil)
	if err != nil {
		return err
	}
	return tx.Insert(d)
}

// Pretend does the same work as Send, but leaves no message. So the time of a call does not reveal whether there is a user to
// send a message to.
func Pretend(c *dispatch.Call, tx store.Tx, channel, template string, values map[string]string, goodUntil model.Time) error {
	d, err := compose(c, tx, &model.User{LoginName: "nobody", Email: "nobody@invalid.invalid", Mobile: "+000000000000"}, channel, template, values, goodUntil)
	if err != nil {
		return err
	}
	return tx.PretendDelivery(d)
}

// compose makes a message from a template.
func compose(c *dispatch.Call, tx store.Tx, u *model.User, channel, template string, values map[string]string, goodUntil model.Time) (*model.Delivery, error) {
	t, err := tx.TemplateByName(template)
	if err != nil {
		return nil, err
	}
	values["loginName"], values["firstName"], values["lastName"] = u.LoginName, u.FirstName, u.LastName
	subject, text := t.Fill(values)
	body, err := json.Marshal(content{subject, text})
	if err != nil {
		return nil, err
	}
	id := c.NewID()
	return &model.Delivery{ID: id, Channel: channel, Template: template, Recipient: u.Address(channel), Status: model.Queued,
		Body: c.Server.Keys.Seal(store.MessagePlace(id), body), NextTry: c.Now, GoodUntil: goodUntil, DateCreated: c.Now, LastUpdated: c.Now}, nil
}

// Deliver sends queued messages until ctx ends. Several processes may do so with one database.
func Deliver(ctx context.Context, s *dispatch.Server) {
	done := make(chan struct{})
	for channel, by := range s.Config.Senders {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				n, err := deliverSome(ctx, s, channel, by)
				if err != nil && ctx.Err() == nil {
					s.Config.Log.Error().Err(err).Str("channel", channel).Msg("delivery")
				}
				if n == deliveryBatch && err == nil {
					continue
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(deliveryPoll):
				}
			}
		}()
	}
	for range s.Config.Senders {
		<-done
	}
}

func deliverSome(ctx context.Context, s *dispatch.Server, channel string, by sender.Sender) (int, error) {
	var due []model.Delivery
	err := s.Config.Store.Update(ctx, func(tx store.Tx) (err error) {
		now := model.At(s.Config.Now())
		due, err = tx.ClaimDeliveries(channel, now, now+deliveryLease, deliveryBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	for i := range due {
		if err := deliver(ctx, s, &due[i], by); err != nil {
			return i, err
		}
	}
	return len(due), nil
}

// deliver tries to send a message and saves the result, even if the server is stopping.
func deliver(ctx context.Context, s *dispatch.Server, d *model.Delivery, by sender.Sender) error {
	reason := ""
	if d.GoodUntil != 0 && model.At(s.Config.Now()) >= d.GoodUntil {
		reason = "it expired before it was sent"
	} else {
		var c content
		body, err := s.Keys.Unseal(store.MessagePlace(d.ID), d.Body)
		if err == nil {
			err = json.Unmarshal(body, &c)
		}
		if err == nil {
			try, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliveryTime)
			defer cancel()
			err = by.Send(try, sender.Message{To: d.Recipient, Subject: c.Subject, Text: c.Text})
		}
		if err != nil {
			reason = err.Error()
		}
	}
	d.Ended(model.At(s.Config.Now()), reason)
	s.Config.Log.Info().Str("delivery", d.ID).Str("channel", d.Channel).Str("status", d.Status).Int64("attempts", d.Attempts).Msg("delivery")
	// If the result is not saved before the lease ends, the message is sent again.
	for began := time.Now(); ; {
		err := s.Config.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return tx.Save(d) })
		if err == nil || wire.ClientError(err).Kind != model.Unavailable || time.Since(began) > deliveryTime/2 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(deliveryPoll):
		}
	}
}
