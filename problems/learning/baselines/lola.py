"""Learning with opponent-learning awareness (Foerster et al. 2018), in the space of the policies' logits.

Besides its own policy gradient an agent ascends what it gains from the step that another agent will take:
with g the gradient of the own return by the other's logits and s the score of the other's action, the term
of second order is the mean of (other's return) * (own log-probability) * (s . g), their equation 4.6. It is
exact where everybody always sees the same, as in a one-shot matrix game; without others to be seen it is
independent PPO.
"""

import torch


class Rule:
    DISCOUNT = 0.96
    TRACE = 0.95
    CLIP = 0.2
    EXPLORATION = 0.01
    AWARENESS = 3.0

    def __init__(self, batch):
        self.batch = batch
        self.shaping = batch.zeros()

    def advantages(
        self, rewards, old_values, next_values, dones, others_rewards, others_policy, others_actions
    ):
        errors = rewards + self.DISCOUNT * (1 - dones) * next_values - old_values
        advantage = self.batch.accumulate(errors, dones, self.DISCOUNT * self.TRACE)
        gain = self.batch.standardise(advantage)
        self.shaping = self.batch.zeros()
        for k in range(others_policy.shape[0]):
            score = torch.nn.functional.one_hot(others_actions[k], others_policy.shape[-1]) - others_policy[k]
            mine = (score * gain.unsqueeze(-1)).mean((0, 1))
            theirs = self.batch.accumulate(others_rewards[k], dones, self.DISCOUNT)
            self.shaping = self.shaping + self.batch.standardise(theirs) * (score @ mine)
        return advantage

    def policy_loss(self, log_probability, old_log_probability, advantage, entropy):
        gain = self.batch.standardise(advantage)
        ratio = torch.exp(log_probability - old_log_probability)
        near = torch.clamp(ratio, min=1 - self.CLIP, max=1 + self.CLIP)
        shaped = self.AWARENESS * ratio * self.shaping
        return -torch.minimum(ratio * gain, near * gain) - shaped - self.EXPLORATION * entropy

    def value_loss(self, values, returns):
        return 0.5 * torch.square(values - returns)
