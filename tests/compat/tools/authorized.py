"""Invocations of `acls` where there is an authorizer. Whoever asks is User:ANONYMOUS, a super user."""

from steps import S, Step

PROPERTIES = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:admin",
}

STEPS = []


def of(text: str):
    """Lines of invocations: all of `acls`, all change what is there, and none says in which order entries come."""
    for line in text.strip().splitlines():
        STEPS.append(Step("acls", line.strip(), changes=True, unordered=True))


of(f"""
    {S} --list
    {S} --add --allow-principal User:alice --operation Read --topic orders
    {S} --add --allow-principal User:alice --operation Read --topic orders
    {S} --add --allow-principal User:alice --allow-host 10.0.0.1 --allow-host 10.0.0.2 --operation Write --operation Describe --topic orders
    {S} --add --deny-principal User:mallory --deny-host 10.0.0.9 --operation All --topic orders
    {S} --add --allow-principal User:bob --producer --topic payments
    {S} --add --allow-principal User:bob --producer --topic payments --transactional-id tx --idempotent
    {S} --add --allow-principal User:carol --consumer --topic payments --group readers
    {S} --add --allow-principal User:carol --consumer --topic logs- --group readers- --resource-pattern-type prefixed
    {S} --add --allow-principal User:dave --operation Alter --operation Describe --cluster
    {S} --add --allow-principal User:dave --operation IdempotentWrite --cluster
    {S} --add --allow-principal User:dave --operation Describe --transactional-id *
    {S} --add --allow-principal User:dave --operation Describe --delegation-token token
    {S} --add --allow-principal User:dave --operation CreateTokens --user-principal User:alice
    {S} --add --allow-principal User:* --operation Read --topic *
    {S} --add --allow-principal User:CN=a,OU=b --operation Read --topic orders
    {S} --add --allow-principal User:erin --operation Write --group readers
    {S} --add --allow-principal User:erin --operation Read --cluster
    {S} --add --allow-principal User:erin --operation Read --topic orders --resource-pattern-type match
    {S} --add --allow-principal User:erin --operation Read --topic orders --resource-pattern-type any
    {S} --add --allow-principal User:erin --operation Read
    {S} --add --operation Read --topic orders
    {S} --list
    {S} --list --topic orders
    {S} --list --topic orders --topic payments
    {S} --list --topic logs-2026 --resource-pattern-type match
    {S} --list --topic orders --resource-pattern-type any
    {S} --list --topic logs- --resource-pattern-type prefixed
    {S} --list --group readers
    {S} --list --cluster
    {S} --list --transactional-id tx
    {S} --list --user-principal User:alice
    {S} --list --delegation-token token
    {S} --list --principal User:alice
    {S} --list --principal User:alice --principal User:bob --topic orders
    {S} --list --principal alice
    {S} --list --topic absent
    {S} --remove --allow-principal User:alice --allow-host 10.0.0.1 --operation Write --topic orders --force
    {S} --list --topic orders
    {S} --remove --allow-principal User:nobody --operation Read --topic orders --force
    {S} --remove --deny-principal User:mallory --deny-host 10.0.0.9 --operation All --topic orders --force
    {S} --remove --allow-principal User:bob --producer --topic payments --transactional-id tx --force
    {S} --remove --allow-principal User:carol --consumer --topic logs- --group readers- --resource-pattern-type prefixed --force
    {S} --remove --topic orders --force
    {S} --remove --topic payments --resource-pattern-type any --force
    {S} --remove --cluster --force
    {S} --list
    {S} --remove --topic * --force
    {S} --remove --group readers --force
    {S} --list
""")
