// A hidden Markov model with two states and emissions of sd 1. Stan's own forward algorithm wants an initial
// distribution; the uniform one differs from none by a constant.
data {
  int<lower=1> N;
  row_vector[N] y;
}
parameters {
  // Probabilities of going to the first state; releases of Stan differ in the coordinates of a simplex.
  real<lower=0, upper=1> theta1;
  real<lower=0, upper=1> theta2;
  positive_ordered[2] mu;
}
model {
  matrix[2, 2] transition;
  matrix[2, N] emission;
  transition[1] = [theta1, 1 - theta1];
  transition[2] = [theta2, 1 - theta2];
  for (k in 1 : 2) {
    emission[k] = -0.5 * square(y - mu[k]);
  }
  mu[1] ~ normal(3, 1);
  mu[2] ~ normal(10, 1);
  target += hmm_marginal(emission, transition, [0.5, 0.5]');
}
