package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"
)

// secretLength is how many letters and digits a generated secret has: 64 carry 381 bits,
// more than the 256 that HS256 and every derived key need.
const secretLength = 64

// newServiceSecret declares the secret that the service seals its own tokens with, such as
// the places in a snapshot. Every deployment has it, also one that is open to everyone.
//
// An operator rotates it with PutSecretValue. The functions then seal with the new
// version and still open what was sealed with the one before, AWSPREVIOUS.
func newServiceSecret(stack awscdk.Stack) awssecretsmanager.CfnSecret {
	return newSecret(stack, "ServiceSecret", "Seals the tokens that the service hands out")
}

// newSecret declares a random secret. It outlives the stack, because what was signed or
// sealed with it is of no use without it.
func newSecret(stack awscdk.Stack, id, description string) awssecretsmanager.CfnSecret {
	secret := awssecretsmanager.NewCfnSecret(stack, jsii.String(id), &awssecretsmanager.CfnSecretProps{
		Description: jsii.String(description),
		GenerateSecretString: &awssecretsmanager.CfnSecret_GenerateSecretStringProperty{
			PasswordLength: jsii.Number(secretLength), ExcludePunctuation: jsii.Bool(true),
		},
	})
	secret.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	return secret
}
