package rpc

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"tokensmith/model"
	"tokensmith/rpc/courier"
	"tokensmith/store"
)

// Delivery has the methods that show messages on their way.
type Delivery struct{ crud }

// messageReceivers are those of the methods of this room.
func messageReceivers(s *core) map[string]any {
	return map[string]any{"Template": &Template{crud{s, templateObject}}, "Delivery": &Delivery{crud{s, deliveryObject}}}
}

// Template has the methods of the messages' texts.
type Template struct{ crud }

var deliveryObject = declare(&object{
	name: "delivery", missing: model.DeliveryNoun, row: func() any { return new(model.Delivery) },
	attrs: []attr{
		{name: "channel", kind: enum, values: []string{model.SMTP, model.SMS}},
		{name: "template", kind: text},
		{name: "recipient", kind: text},
		{name: "status", kind: enum, values: []string{model.Queued, model.Sent, model.Failed}, indexed: true},
		{name: "attempts", kind: integer},
		{name: "reason", kind: text, about: "why the last attempt failed"},
		{name: "nextTry", kind: date},
		{name: "goodUntil", kind: date, about: "when the message is worth nothing any more"},
		{name: "dateCreated", kind: date},
		{name: "lastUpdated", kind: date},
	},
})

var templateObject = declare(&object{
	name: "template", missing: model.TemplateNoun, row: func() any { return new(model.Template) }, naming: []string{"id", "name"},
	check: func(_ *call, _ store.Tx, _ *decoded, _, row any) error { return row.(*model.Template).Check() },
	attrs: []attr{
		{name: "name", kind: text, indexed: true, about: "activationCode, downloadUrl, passcode or installationCode"},
		{name: "subject", kind: text, when: onSet, required: true, about: "with parameters in braces"},
		{name: "text", kind: text, when: onSet, required: true, max: 16 << 10, about: "with parameters in braces: {loginName}"},
	},
})

const (
	deliveryPoll  = time.Second
	deliveryLease = 2 * 60_000 // milliseconds in which a claimed delivery is tried
	deliveryTime  = time.Minute
	deliveryBatch = 1 // claimed at once: the lease must outlast their tries
)

// carried is a delivery's sealed body.
type carried struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// send queues a message to a user, in the transaction of what it reports on.
func (c *call) send(tx store.Tx, u *model.User, channel, template string, values map[string]string, goodUntil model.Time) error {
	if c.s.cfg.Couriers[channel] == nil {
		return model.AttrErrorf(model.Invalid, "channel", "%s is not set up on this server", channel)
	}
	to := u.Address(channel)
	if to == "" {
		return model.AttrErrorf(model.Invalid, "channel", "the user has no address for %s", channel)
	}
	t, err := tx.TemplateByName(template)
	if err != nil {
		return err
	}
	values["loginName"], values["firstName"], values["lastName"] = u.LoginName, u.FirstName, u.LastName
	subject, text := t.Fill(values)
	body, err := json.Marshal(carried{subject, text})
	if err != nil {
		return err
	}
	id := c.newID()
	return tx.Insert(&model.Delivery{ID: id, Channel: channel, Template: template, Recipient: to, Status: model.Queued,
		Body: c.s.keys.Seal(store.MessagePlace(id), body), NextTry: c.now, GoodUntil: goodUntil, DateCreated: c.now, LastUpdated: c.now})
}

// Deliver carries queued messages out until ctx ends. Several processes may do so on one database.
func (s *core) Deliver(ctx context.Context) {
	done := make(chan struct{})
	for channel, by := range s.cfg.Couriers {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				n, err := s.deliverSome(ctx, channel, by)
				if err != nil && ctx.Err() == nil {
					s.cfg.Log.Error().Err(err).Str("channel", channel).Msg("delivery")
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
	for range s.cfg.Couriers {
		<-done
	}
}

func (s *core) deliverSome(ctx context.Context, channel string, by courier.Courier) (int, error) {
	var due []model.Delivery
	err := s.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
		now := model.At(s.cfg.Now())
		due, err = tx.ClaimDeliveries(channel, now, now+deliveryLease, deliveryBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	for i := range due {
		if err := s.deliver(ctx, &due[i], by); err != nil {
			return i, err
		}
	}
	return len(due), nil
}

// deliver tries one message and records how it went, also when the server is stopping meanwhile.
func (s *core) deliver(ctx context.Context, d *model.Delivery, by courier.Courier) error {
	reason := ""
	if d.GoodUntil != 0 && model.At(s.cfg.Now()) >= d.GoodUntil {
		reason = "it came too late to be of use"
	} else {
		var c carried
		body, err := s.keys.Unseal(store.MessagePlace(d.ID), d.Body)
		if err == nil {
			err = json.Unmarshal(body, &c)
		}
		if err == nil {
			try, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliveryTime)
			defer cancel()
			err = by.Send(try, courier.Message{To: d.Recipient, Subject: c.Subject, Text: c.Text})
		}
		if err != nil {
			reason = err.Error()
		}
	}
	d.Ended(model.At(s.cfg.Now()), reason)
	s.cfg.Log.Info().Str("delivery", d.ID).Str("channel", d.Channel).Str("status", d.Status).Int64("attempts", d.Attempts).Msg("delivery")
	// What is not noted before the lease ends is sent again.
	for began := time.Now(); ; {
		err := s.cfg.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return tx.Save(d) })
		if err == nil || wireError(err).Kind != model.Unavailable || time.Since(began) > deliveryTime/2 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(deliveryPoll):
		}
	}
}
