package main

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"tokensmith/model"
	"tokensmith/rpc/sender"
)

// senderFlags are the settings for sending messages.
type senderFlags struct{ smtpURL, smtpFrom, smsWebhook, smsSecret string }

func (f *senderFlags) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.smtpURL, "smtp-url", "", "relay for e-mail: smtp://user:password@host:587 (STARTTLS), smtps://host; better given as TOKENSMITH_SMTP_URL")
	flags.StringVar(&f.smtpFrom, "smtp-from", "", "sender of e-mail")
	flags.StringVar(&f.smsWebhook, "sms-webhook", "", "gateway for SMS: gets POSTs of {\"to\",\"text\"}")
	flags.StringVar(&f.smsSecret, "sms-webhook-secret", "", "signs these POSTs; better given as TOKENSMITH_SMS_WEBHOOK_SECRET")
}

func (f *senderFlags) open() (map[string]sender.Sender, error) {
	all := map[string]sender.Sender{}
	if f.smtpURL != "" {
		if f.smtpFrom == "" {
			return nil, errors.New("--smtp-url needs --smtp-from")
		}
		c, err := sender.NewSMTP(f.smtpURL, f.smtpFrom)
		if err != nil {
			return nil, err
		}
		all[model.SMTP] = c
	}
	if f.smsWebhook != "" {
		c, err := sender.NewWebhook(f.smsWebhook, []byte(f.smsSecret), time.Now)
		if err != nil {
			return nil, err
		}
		all[model.SMS] = c
	}
	return all, nil
}
