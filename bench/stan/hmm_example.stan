// A hidden Markov model with two states and emissions of sd 1; the states are summed out by the forward recursion.
data {
  int<lower=1> N;
  vector[N] y;
}
parameters {
  // Probabilities of going to the first state; releases of Stan differ in the coordinates of a simplex.
  real<lower=0, upper=1> theta1;
  real<lower=0, upper=1> theta2;
  positive_ordered[2] mu;
}
model {
  array[2] vector[2] transition; // to a state, from each
  array[2] vector[N] emission;
  array[N] vector[2] forward;
  transition[1] = log([theta1, theta2]');
  transition[2] = log1m([theta1, theta2]');
  for (k in 1 : 2) {
    emission[k] = -0.5 * square(y - mu[k]);
    forward[1, k] = emission[k][1];
  }
  for (t in 2 : N) {
    for (k in 1 : 2) {
      forward[t, k] = log_sum_exp(forward[t - 1] + transition[k]) + emission[k][t];
    }
  }
  mu[1] ~ normal(3, 1);
  mu[2] ~ normal(10, 1);
  target += log_sum_exp(forward[N]);
}
